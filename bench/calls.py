"""What a tool call through the hub costs: ./hub bench calls [--sessions 1,16] [--calls 3000] [--seconds 10]

Three ways to the same server, one after the other in one run: directly; through the least gateway in Python (`floor`);
through a hub with authentication, isolation and history on. CPU is that of everything between client and server, from
/proc: the hub with its PostgreSQL. Ratios in one run say more than milliseconds on a shared machine.
"""

import argparse
import json
import os
import platform
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TICK = os.sysconf("SC_CLK_TCK")
# The measured tree on one core, client and server on the other, where there are two.
CORES = sorted(os.sched_getaffinity(0))
MEASURED, OTHERS = {CORES[0]}, set(CORES[1:]) or {CORES[0]}


# processes


@contextmanager
def process(*command: str | Path, cores: set[int], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """Runs while the block runs, on these cores."""
    started = subprocess.Popen(
        [str(part) for part in command],
        cwd=HERE,
        text=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
        **options,
    )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > until:
                raise SystemExit(f"nothing listens on {port}") from None
            time.sleep(0.05)


def tree(root: int) -> list[int]:
    """A process and everything below it, without what it runs for users: there is none here."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                parent = int(Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """Of the tree so far, with what ended in it."""
    ticks = 0
    for pid in tree(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICK


# what is measured


class Way:
    """A way to the server. `pid` is the root of what costs on it; 0 when nothing is between."""

    def __init__(self, name: str, url: str, key: str, pid: int) -> None:
        self.name = name
        self.url = url
        self.key = key
        self.pid = pid


@contextmanager
def direct(upstream: str) -> Iterator[Way]:
    yield Way("direct", upstream, "-", 0)


@contextmanager
def floor(upstream: str) -> Iterator[Way]:
    port = free_port()
    with process(sys.executable, HERE / "_floor.py", str(port), upstream, cores=MEASURED) as running:
        wait_for(port)
        yield Way("floor", f"http://127.0.0.1:{port}/mcp", "floor", running.pid)


@contextmanager
def hub(upstream: str) -> Iterator[Way]:
    port, home = free_port(), Path(tempfile.mkdtemp(prefix="mcphub-bench-"))
    env = {**os.environ, "MCPHUB_ADMIN_PASSWORD": f"Bench-{secrets.token_hex(8)}", "MCPHUB_LOG_FORMAT": "json"}
    command = [Path(sys.executable).with_name("mcphub"), "up", "--home", home, "--port", port, "--no-demo", "--no-open"]
    said = home.with_suffix(".log")
    try:
        with (
            said.open("w") as log,
            process(*map(str, command), cores=MEASURED, env=env, stdout=log, stderr=log) as running,
        ):
            wait_for(port)
            url = f"http://127.0.0.1:{port}"
            setup = [sys.executable, HERE / "_setup.py", url, upstream, "1"]
            key = subprocess.run(setup, env=env, check=True, capture_output=True, text=True).stdout.strip()
            yield Way("hub", f"{url}/mcp", key, running.pid)
    finally:
        shutil.rmtree(home, ignore_errors=True)
        said.unlink(missing_ok=True)


def measure(way: Way, sessions: int, calls: int) -> dict[str, Any]:
    """One run of the load client; CPU is read exactly around its measured part."""
    command = [sys.executable, HERE / "_load.py", way.url, way.key, str(sessions), str(calls)]
    with process(*command, cores=OTHERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        if not client.stdout.readline():
            raise SystemExit(f"{way.name}: the client ended early")
        before = cpu_seconds(way.pid) if way.pid else 0.0
        print(file=client.stdin, flush=True)
        figures: dict[str, Any] = json.loads(client.stdout.readline())
        spent = (cpu_seconds(way.pid) if way.pid else 0.0) - before
        print(file=client.stdin, flush=True)
        client.wait(30)
    return {"way": way.name, "sessions": sessions, **figures, "cpu_ms_per_call": spent * 1000 / figures["calls"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", default="1,16", help="how many at once, one run each")
    parser.add_argument("--calls", type=int, default=4000, help="in each run")
    parser.add_argument("--json", action="store_true", help="one JSON line a run instead of a table")
    options = parser.parse_args()
    rows = []
    with ExitStack() as stack:
        port = free_port()
        stack.enter_context(process(sys.executable, HERE / "_upstream.py", str(port), cores=OTHERS))
        wait_for(port)
        ways: list[Callable[[str], Any]] = [direct, floor, hub]
        for way in ways:
            with way(f"http://127.0.0.1:{port}/mcp") as there:
                for sessions in map(int, options.sessions.split(",")):
                    rows.append(measure(there, sessions, options.calls))
                    if options.json:
                        print(json.dumps(rows[-1]), flush=True)
    if not options.json:
        report(rows)


def report(rows: list[dict[str, Any]]) -> None:
    print(f"{platform.platform()}, Python {platform.python_version()}, {len(CORES)} cores,", end=" ")
    print(f"load {os.getloadavg()[0]:.2f}, {time.strftime('%Y-%m-%d %H:%M')}")
    print(f"{'way':8} {'sessions':>8} {'calls/s':>9} {'p50 ms':>8} {'p99 ms':>8} {'CPU ms/call':>12}")
    for row in rows:
        print(
            f"{row['way']:8} {row['sessions']:8} {row['per_second']:9.0f} {row['p50_ms']:8.3f} {row['p99_ms']:8.3f}"
            f" {row['cpu_ms_per_call']:12.3f}"
        )


if __name__ == "__main__":
    main()
