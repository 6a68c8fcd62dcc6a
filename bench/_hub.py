"""A hub of a bench: started by its own command with history and authentication on, filled through its REST API."""

import json
import os
import platform
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from _processes import HERE, MEASURED, OTHERS, cpu_seconds, free_port, process, wait_for

MCPHUB = Path(sys.executable).with_name("mcphub")


class Hub:
    """A running hub as its administrator.

    Args:
        pid: the root of its processes; 0 when somebody else looks after them.
    """

    def __init__(self, url: str, password: str, pid: int = 0) -> None:
        self.url = url
        self.pid = pid
        self.http = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self._password = password
        self.admin: dict[str, str] = {}

    def sign_in(self) -> None:
        """Once it is ready."""
        until = time.monotonic() + 120
        while True:
            try:
                if self.http.get("/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            if time.monotonic() > until:
                raise SystemExit("the hub is not ready")
            time.sleep(0.1)
        self.admin = self._log_in("admin", self._password)

    def serve(self, servers: Mapping[str, Mapping[str, Any]]) -> None:
        """The settings document, with these servers in it."""
        current = self.http.get("/api/admin/settings-file", headers=self.admin)
        self._ask(
            self.http.put(
                "/api/admin/settings-file",
                json={"settings": {"mcpServers": servers}},
                headers={**self.admin, "If-Match": current.headers["etag"]},
            )
        )

    def users(self, count: int, servers: list[str], *, first: int = 1) -> list[str]:
        """Keys of new users, who have each saved their secret for these servers."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda number: self.user(number, servers), range(first, first + count)))

    def user(self, number: int, servers: list[str]) -> str:
        name, password = f"bench-{number}", f"bench-Password-{number}"
        self._ask(self.http.post("/api/admin/users", json={"username": name, "password": password}, headers=self.admin))
        own = self._log_in(name, password)
        if servers:
            values = {server: {"USER_SERVICE_TOKEN": secret_of(number)} for server in servers}
            self._ask(self.http.post("/api/user-env-vars", json={"envVars": values}, headers=own))
        return str(self._ask(self.http.post("/api/oauth/keys", json={"name": "bench"}, headers=own))["keyValue"])

    def cpu(self) -> float:
        """Seconds of the whole tree so far: the hub, its PostgreSQL, the processes of servers."""
        return cpu_seconds(self.pid)

    def change(self, number: int) -> None:
        """A fact that concerns nobody but the administrator."""
        theme = ("dark", "light")[number % 2]
        self._ask(self.http.patch("/api/user/me", json={"theme": theme}, headers=self.admin))

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Anything else of the REST API, as the administrator."""
        return self._ask(self.http.request(method, path, json=body, headers=self.admin))

    def credentials(self) -> dict[str, str]:
        """What the administrator signs in with, for a browser of its own."""
        return {"username": "admin", "password": self._password}

    def _log_in(self, username: str, password: str) -> dict[str, str]:
        body = {"username": username, "password": password, "issueToken": True}
        return {"Authorization": f"Bearer {self._ask(self.http.post('/api/auth/login', json=body))['token']}"}

    def _ask(self, response: httpx.Response) -> Any:
        if response.status_code >= 300:
            path = response.request.url.path
            raise SystemExit(f"{response.request.method} {path}: {response.status_code} {response.text}")
        return response.json().get("data")


def secret_of(number: int) -> str:
    return f"secret-of-user-{number}-end"


@contextmanager
def new_home() -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="mcphub-bench-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
        for beside in (".password", ".keys"):
            home.with_suffix(beside).unlink(missing_ok=True)


@contextmanager
def running(home: Path, **more: str) -> Iterator[Hub]:
    """A hub on this home, signed in; `more` are variables of its environment."""
    port = free_port()
    password = home.with_suffix(".password")
    if not password.exists():
        password.write_text(f"Bench-{secrets.token_hex(8)}")
    env = {"MCPHUB_ADMIN_PASSWORD": password.read_text(), "MCPHUB_LOG_FORMAT": "json", **more}
    command = [MCPHUB, "up", "--home", home, "--port", str(port), "--no-demo", "--no-open"]
    said = home.with_suffix(".log")
    try:
        with (
            said.open("a") as log,
            process(*command, cores=MEASURED, env={**os.environ, **env}, stdout=log, stderr=log) as started,
        ):
            hub = Hub(f"http://127.0.0.1:{port}", env["MCPHUB_ADMIN_PASSWORD"], started.pid)
            try:
                hub.sign_in()
            except SystemExit as error:
                raise SystemExit(f"{error}; it said: {said.read_text()[-2000:]}") from None
            yield hub
    finally:
        said.unlink(missing_ok=True)


@contextmanager
def http_upstream(tools: int = 4, port: int = 0) -> Iterator[str]:
    """The address of a server of its own process."""
    port = port or free_port()
    with process(sys.executable, HERE / "_upstream.py", str(port), str(tools), cores=OTHERS):
        wait_for(port)
        yield f"http://127.0.0.1:{port}/mcp"


def far(url: str) -> dict[str, Any]:
    """A server over HTTP, to which each user's own secret goes."""
    return {"type": "streamable-http", "url": url, "headers": {"X-Service-Token": "${USER_SERVICE_TOKEN}"}}


def near() -> dict[str, Any]:
    """A server over stdio: a process of each user, with the user's own secret."""
    arguments = [str(HERE / "_upstream_stdio.py")]
    return {
        "type": "stdio",
        "command": sys.executable,
        "args": arguments,
        "env": {"SERVICE_TOKEN": "${USER_SERVICE_TOKEN}"},
    }


class Client:
    """A process of `_load.py`, see there."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def begin(self, **orders: float) -> None:
        print(json.dumps(orders), file=self._process.stdin, flush=True)

    def figures(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("a client ended early")
        found: dict[str, Any] = json.loads(line)
        return found

    def round(self, **orders: float) -> dict[str, Any]:
        self.begin(**orders)
        return self.figures()


@contextmanager
def client(**plan: Any) -> Iterator[Client]:
    command = [sys.executable, HERE / "_load.py", json.dumps(plan)]
    with process(*command, cores=OTHERS, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        made = Client(started)
        made.figures()
        yield made


def conditions() -> str:
    load = os.getloadavg()[0]
    cores = len(os.sched_getaffinity(0))
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {cores} cores"
    return f"{machine}, load {load:.1f}, {time.strftime('%Y-%m-%d %H:%M')}"
