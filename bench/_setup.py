"""Fills a fresh hub for a bench: python _setup.py HUB_URL UPSTREAM USERS; prints a key a line, one of each user.

One server `bench` with the caller's own value: at the address UPSTREAM in a header, or, when UPSTREAM is a JSON list,
as a process of that command with a variable. User i has saved `secret-of-user-<i>-end`.
"""

import json
import os
import sys

from _hub import Hub, far


def main(url: str, upstream: str, users: int) -> None:
    hub = Hub(url, os.environ["MCPHUB_ADMIN_PASSWORD"])
    hub.sign_in()
    if upstream.startswith("["):
        command, *arguments = json.loads(upstream)
        server = {"command": command, "args": arguments, "env": {"SERVICE_TOKEN": "${USER_SERVICE_TOKEN}"}}
    else:
        server = far(upstream)
    hub.serve({"bench": server})
    for key in hub.users(users, ["bench"]):
        print(key)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
