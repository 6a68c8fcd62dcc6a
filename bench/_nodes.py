"""Several hubs of a bench on one database, and nginx in front of them with the project's own configuration."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from _hub import MCPHUB, Hub
from _processes import HERE, OTHERS, cpu_seconds, free_port, process, wait_for

from mcphub.domain.vault import new_ring_text

DEPLOY = HERE.parent / "deploy"
ONE_HUB = re.compile(r"    upstream hub \{.*?\n    \}\n", re.S)
MAIN = "daemon off;" + (" user root;" if os.geteuid() == 0 else "")  # its folders are private
SERVERS = re.compile(r"(    server \S+ max_fails[^\n]+\n)+")


class Node:
    """One hub of several; started, drained, killed and started again on the same home and port."""

    def __init__(self, name: str, folder: Path, env: Mapping[str, str], cores: set[int]) -> None:
        self.name = name
        self.port = free_port()
        self.home = folder / name
        self.home.mkdir()
        self.log = folder / f"{name}.log"
        self._env = {**os.environ, **env, "MCPHUB_NODE": name}
        self._cores = cores
        self.process: subprocess.Popen[bytes] | None = None
        self.hub = Hub(f"http://127.0.0.1:{self.port}", env["MCPHUB_ADMIN_PASSWORD"])

    def start(self) -> None:
        command = [str(MCPHUB), "up", "--home", str(self.home), "--port", str(self.port), "--no-demo", "--no-open"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=HERE,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=lambda: os.sched_setaffinity(0, self._cores),
            )
        self.hub.pid = self.process.pid

    def ready(self) -> None:
        try:
            self.hub.sign_in()
        except SystemExit as error:
            raise SystemExit(f"{self.name}: {error}; it said: {self.log.read_text()[-2000:]}") from None

    def ask_to_stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def stopped(self, within: float = 60) -> int:
        """The exit code."""
        assert self.process is not None
        return self.process.wait(within)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def cpu(self) -> float:
        return cpu_seconds(self.hub.pid)

    def end(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.ask_to_stop()
        try:
            self.stopped(30)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def nodes(count: int, database: str, cores: set[int] = OTHERS, **more: str) -> Iterator[list[Node]]:
    """Hubs on one database, the first of them started before the others, all of them ready and signed in."""
    folder = Path(tempfile.mkdtemp(prefix="mcphub-nodes-"))
    env = {
        "DATABASE_URL": database,
        "MCPHUB_MASTER_KEYS": new_ring_text(),
        "MCPHUB_ADMIN_PASSWORD": f"Bench-{secrets.token_hex(8)}",
        "MCPHUB_LOG_FORMAT": "json",
        # As behind any balancer: it also means that a node that leaves gives it time to notice.
        "MCPHUB_TRUSTED_PROXIES": "127.0.0.1/32",
        **more,
    }
    made = [Node(f"node-{number}", folder, env, cores) for number in range(1, count + 1)]
    try:
        for node in made:
            node.start()
            node.ready()
        yield made
    finally:
        for node in made:
            node.end()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def balanced(ports: list[int]) -> Iterator[tuple[str, int]]:
    """nginx in front of these ports: its address, and its process."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise SystemExit("this needs nginx: apt install nginx-light")
    home = Path(tempfile.mkdtemp(prefix="mcphub-nginx-"))
    home.chmod(0o755)
    port = free_port()
    (home / "nginx.conf").write_text(_configuration(home, port, ports))
    try:
        with process(program, "-c", home / "nginx.conf", "-e", "stderr", "-g", MAIN, cores=OTHERS) as started:
            wait_for(port)
            yield f"http://127.0.0.1:{port}", started.pid
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _configuration(home: Path, port: int, ports: list[int]) -> str:
    """What deploy/ has for several nodes, with ports and folders of this run."""
    lines = "".join(f"    server 127.0.0.1:{each} max_fails=1 fail_timeout=2s;\n" for each in ports)
    fragment = SERVERS.sub(lines, (DEPLOY / "nginx-nodes.conf").read_text())
    text = ONE_HUB.sub(lambda _: fragment, (DEPLOY / "nginx.conf").read_text())
    for old, new in {
        "proxy_next_upstream off;": "proxy_next_upstream error timeout; proxy_next_upstream_tries 3;",
        "listen 8080;": f"listen 127.0.0.1:{port};",
        "access_log /dev/stdout line;": "access_log off;",
        "worker_processes auto;": "worker_processes 1;",
        " /tmp/": f" {home}/",
    }.items():
        if old not in text:
            raise SystemExit(f"deploy/nginx.conf has no {old!r} any more")
        text = text.replace(old, new)
    return text


@contextmanager
def recording_upstream(folder: Path) -> Iterator[tuple[str, Path]]:
    """(address of a server, the file where it notes the request id of each call it receives)"""
    port, noted = free_port(), folder / "received"
    with process(sys.executable, HERE / "_upstream.py", str(port), "4", str(noted), cores=OTHERS):
        wait_for(port)
        yield f"http://127.0.0.1:{port}/mcp", noted
