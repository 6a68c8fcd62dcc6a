"""The images, made and run without a container engine: what deploy/Dockerfile says is done in clean roots of Debian by
deploy/rehearse.py, and what comes out serves calls through npx and uvx as an ordinary user on a read-only root.

Some minutes and 6 GB below the system's temporary folder.
"""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.ide import Ide
from tests.support.nginx import CONFIGURATION, placed
from tests.support.peers import TIME_SERVER
from tests.support.rest import administrator
from tests.support.running import ROOT, free_port
from tests.support.waiting import eventually

sys.path.insert(0, str(ROOT / "deploy"))

from rehearse import TRUSTED, Built, Rehearsal

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

NPM = "@modelcontextprotocol/server-everything"
EVERYTHING = f"{NPM}@2026.8.31"
FETCHED_WITHIN = 300  # seconds
TRUST = os.environ.get("SSL_CERT_FILE", "")  # a machine's own, where it has some
# Servers as people write them: two that are in the image, by both of npx's ways, and two that are fetched.
IN_THE_IMAGE = {
    "npm": {"type": "stdio", "command": "npx", "args": ["mcp-server-everything"]},
    "pypi": {"type": "stdio", "command": "uvx", "args": [TIME_SERVER]},
}
FETCHED = {
    "npm-again": {"type": "stdio", "command": "npx", "args": ["-y", EVERYTHING]},
    "npm-other": {
        "type": "stdio",
        "command": "npx",
        "args": ["-y", f"{NPM}@2026.7.4"],
    },
    "pypi-other": {"type": "stdio", "command": "uvx", "args": ["mcp-server-time==2026.10.10"]},
}


@pytest.fixture(scope="module")
def rehearsal() -> Iterator[Rehearsal]:
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        pytest.skip("roots of Debian are made by root with debootstrap")
    folder = Path(tempfile.mkdtemp(prefix="mcphub-images-"))
    folder.chmod(0o755)
    try:
        subprocess.run(["debootstrap", "--variant=minbase", "trixie", folder / "debian"], check=True)
        (folder / "stages").mkdir()
        yield Rehearsal(
            folder / "debian",
            folder / "stages",
            arguments={"MCP_PACKAGES": f"{EVERYTHING} {TIME_SERVER}"},
            trust=Path(TRUST) if TRUST else None,
        )
    finally:
        shutil.rmtree(folder)


class Container:
    """What a container of the stage would be, on a port of its own."""

    def __init__(self, rehearsal: Rehearsal, built: Built, port: int, log: Path, **options: Any) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        env = {**built.env, **options.pop("env", {})}
        line = rehearsal.inside(built, built.command, env=env, contained=True, **options)
        with log.open("ab") as out:
            self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def __enter__(self) -> "Container":
        eventually(self._ready, within=90, what=self.log.read_text)
        return self

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200
        return False

    def __exit__(self, *_: object) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log.read_text()


def answers(url: str, key: str, servers: set[str]) -> dict[str, str]:
    """Server → what the tool says that each of the two packages has, once all of them are there."""
    return asyncio.run(_answers(url, key, servers))


async def _answers(url: str, key: str, servers: set[str]) -> dict[str, str]:
    async with Ide(f"{url}/mcp?mode=tools", key) as ide:
        missing, until = servers, time.monotonic() + FETCHED_WITHIN
        while missing:
            missing = servers - {name.partition("__")[0] for name in await ide.tool_names()}
            assert time.monotonic() < until, missing
            await asyncio.sleep(0.5)
        found = {}
        for server in servers:
            if server.startswith("npm"):
                found[server] = await ide.text(f"{server}__echo", message="hello")
            else:
                said = await ide.text(f"{server}__get_current_time", timezone="Asia/Seoul")
                found[server] = "Asia/Seoul" if '"Asia/Seoul"' in said else said
        return found


def expected(servers: set[str]) -> dict[str, str]:
    return {server: "Echo: hello" if server.startswith("npm") else "Asia/Seoul" for server in servers}


def test_the_image_of_the_hub_serves_calls_through_npx_and_uvx(rehearsal: Rehearsal, tmp_path: Path) -> None:
    built = rehearsal.build("hub")
    home, password, port = tmp_path / "home", f"Pass-{secrets.token_hex(8)}", free_port()
    home.mkdir(mode=0o700)
    os.chown(home, 990, 990)
    for folder in home.parents:
        if folder.stat().st_uid == os.geteuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    env = {"MCPHUB_PORT": str(port), "MCPHUB_ADMIN_PASSWORD": password}
    if TRUST:
        env |= {"MCPHUB_CA_FILE": TRUSTED, "MCPHUB_EGRESS_CHILDREN": "on"}
    mounts = {"/var/lib/mcphub": home}

    with Container(rehearsal, built, port, tmp_path / "hub.log", env=env, mounts=mounts) as hub:
        owner = Path(f"/proc/{hub.process.pid}").stat().st_uid
        admin = administrator(hub.url, password)
        admin.add_servers({**IN_THE_IMAGE, **FETCHED})
        ann = admin.user("ann")
        ann.group("all", *IN_THE_IMAGE, *FETCHED)
        everything = answers(hub.url, ann.key(), {*IN_THE_IMAGE, *FETCHED})
        admin.remove_servers(*FETCHED)
        bob = admin.user("bob")
        bob.group("all", *IN_THE_IMAGE)
        key = bob.key()
    with Container(rehearsal, built, port, tmp_path / "hub.log", env=env, mounts=mounts, network=False) as hub:
        alone = answers(hub.url, key, set(IN_THE_IMAGE))
        with in_front(rehearsal, hub, tmp_path) as web:
            page = httpx.get(web.url, headers={"Accept": "text/html"}, trust_env=False)
            script = page.text.partition('src="/assets/')[2].partition('"')[0]
            file = httpx.get(f"{web.url}/assets/{script}", trust_env=False)
            through = answers(web.url, key, set(IN_THE_IMAGE))

    assert owner == 990
    assert everything == expected({*IN_THE_IMAGE, *FETCHED})
    assert alone == through == expected(set(IN_THE_IMAGE))
    assert "<title>MCPHub" in page.text
    assert file.status_code == 200
    assert "x-request-id" not in file.headers  # nginx has it


@contextlib.contextmanager
def in_front(rehearsal: Rehearsal, hub: Container, folder: Path) -> Iterator[Container]:
    """nginx of the image `web`, on a port of its own and in front of this hub; else as the image has it."""
    built, port, changed = rehearsal.build("web"), free_port(), folder / "nginx.conf"
    there = hub.url.removeprefix("http://")
    changes = {"listen 8080;": f"listen 127.0.0.1:{port};", "server hub:3000 ": f"server {there} "}
    changed.write_text(placed(CONFIGURATION.read_text(), changes))
    mounts = {"/etc/nginx/nginx.conf": changed}
    with Container(rehearsal, built, port, folder / "web.log", mounts=mounts) as web:
        yield web
