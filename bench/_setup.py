"""Fills a fresh hub for a bench: python _setup.py HUB_URL UPSTREAM_URL USERS; prints a key a line, one of each user.

One server `bench` with a header made of the caller's own value; user i has saved `secret-of-user-<i>-end`.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx


def main(hub: str, upstream: str, users: int) -> None:
    with httpx.Client(base_url=hub, timeout=60, trust_env=False) as http:
        wait_ready(http)
        admin = log_in(http, "admin", os.environ["MCPHUB_ADMIN_PASSWORD"])
        server = {
            "type": "streamable-http",
            "url": upstream,
            "headers": {"X-Service-Token": "${USER_SERVICE_TOKEN}"},
        }
        current = http.get("/api/admin/settings-file", headers=admin)
        ask(
            http.put(
                "/api/admin/settings-file",
                json={"settings": {"mcpServers": {"bench": server}}},
                headers={**admin, "If-Match": current.headers["etag"]},
            )
        )
        with ThreadPoolExecutor(2) as pool:
            for key in pool.map(lambda number: make_user(http, admin, number), range(1, users + 1)):
                print(key)


def wait_ready(http: httpx.Client) -> None:
    until = time.monotonic() + 120
    while True:
        try:
            if http.get("/readyz").status_code == 200:
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > until:
            raise SystemExit("the hub is not ready")
        time.sleep(0.1)


def make_user(http: httpx.Client, admin: dict[str, str], number: int) -> str:
    """A user with a saved value; returns their key."""
    name, password = f"bench-{number}", f"bench-Password-{number}"
    ask(http.post("/api/admin/users", json={"username": name, "password": password}, headers=admin))
    own = log_in(http, name, password)
    values = {"bench": {"USER_SERVICE_TOKEN": f"secret-of-user-{number}-end"}}
    ask(http.post("/api/user-env-vars", json={"envVars": values}, headers=own))
    return str(ask(http.post("/api/oauth/keys", json={"name": "bench"}, headers=own))["keyValue"])


def log_in(http: httpx.Client, username: str, password: str) -> dict[str, str]:
    answer = http.post("/api/auth/login", json={"username": username, "password": password, "issueToken": True})
    return {"Authorization": f"Bearer {ask(answer)['token']}"}


def ask(response: httpx.Response) -> Any:
    if response.status_code >= 300:
        raise SystemExit(
            f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text}"
        )
    return response.json()["data"]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
