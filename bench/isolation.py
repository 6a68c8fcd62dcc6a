"""Does anybody get what is another's? ./hub bench isolation [--users 50] [--calls 10000]

Users with a secret of their own each call servers that return the secret they were given, half of the calls over HTTP
and half over stdio, two sessions a user, all at once, each with progress that carries the secret, too. An answer counts
only when it holds the caller's own secret and the call's own number, and both of its notifications.
"""

import argparse
from contextlib import ExitStack

from _hub import client, conditions, far, http_upstream, near, new_home, running, secret_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--calls", type=int, default=10_000)
    options = parser.parse_args()
    with ExitStack() as stack:
        upstream = stack.enter_context(http_upstream())
        hub = stack.enter_context(running(stack.enter_context(new_home())))
        hub.serve({"far": far(upstream), "near": near()})
        keys = hub.users(options.users, ["far", "near"])
        load = stack.enter_context(
            client(
                url=f"{hub.url}/mcp?mode=tools",
                keys=keys,
                secrets=[secret_of(number) for number in range(1, options.users + 1)],
                sessions=options.users * 2,
                tools=["far__whoami", "near__whoami"],
                progress=True,
            )
        )
        print(conditions())
        figures = load.round(calls=options.calls)
    print(f"{options.users} users, {options.users * 2} sessions, {figures['seconds']:.1f} s")
    print(f"answered with the caller's own secret: {figures['outcomes'].get('answered', 0)}")
    print(f"foreign secrets: {figures['foreign']}")
    others = {kind: count for kind, count in figures["outcomes"].items() if kind != "answered"}
    print(f"other outcomes: {others or 'none'} {figures['examples'] or ''}")
    if figures["foreign"] or others:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
