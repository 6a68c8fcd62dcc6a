"""The test server over stdio: python3 over_stdio.py --name N --recorder PORT [--tool EXTRA]… [-- ANYTHING…]

What it received is told with its environment, and its arguments as JSON where an HTTP server names its target.
`--deaf` makes it ignore SIGTERM and the end of its input, and start a child that does the same.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys

from behaviour import Behaviour, Link, wired


async def serve(options):
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=1 << 26)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)

    async def send(message):
        sys.stdout.write(wired(message) + "\n")
        sys.stdout.flush()

    behaviour = Behaviour(options.name, options.recorder, send, options.tool)
    link = Link(f"pid-{os.getpid()}", {}, dict(os.environ), send, target=json.dumps(sys.argv[1:]))
    tasks = set()

    async def one(message):
        answer = await behaviour.handle(message, link)
        if answer is not None:
            await send(answer)

    while line := await lines.readline():
        task = asyncio.ensure_future(one(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    if options.deaf:
        await asyncio.Event().wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--recorder", type=int, default=0)
    parser.add_argument("--tool", action="append", default=[])
    parser.add_argument("--deaf", action="store_true")
    parser.add_argument("--site", help="an option that changes nothing")
    parser.add_argument("anything", nargs="*")
    options = parser.parse_args()
    if options.deaf:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
