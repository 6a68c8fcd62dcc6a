"""The official peers: the Python and the TypeScript client, npm's server-everything, PyPI's mcp-server-time.

Installed once into `.cache/peers`, each in an environment of its own, by pinned versions.
Two more servers are started by the hub itself, with uvx and npx, as people do it; their caches are there, too.
"""

import asyncio
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

HERE = Path(__file__).parent
CACHE = HERE.parents[2] / ".cache" / "peers"
BOOT = HERE.parents[2] / ".venv-boot" / "bin"
TIME_SERVER = "mcp-server-time==2026.10.19"
MCP_ATLASSIAN = "mcp-atlassian==0.23.1"
FIRECRAWL_MCP = "firecrawl-mcp@3.22.2"
AS_OF = "2026-11-20"  # of what these two depend on, so that tomorrow's release of something changes nothing here
# What a machine may need to reach the registries: a company's certificates, a mirror.
REGISTRIES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "UV_DEFAULT_INDEX", "npm_config_registry")


# installing


def prepared(name: str, digest: str, make: Callable[[Path], None]) -> Path:
    """The folder of a peer; made when it is not there, by one test process at a time."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / f"{name}-{digest[:12]}"
    with (CACHE / f"{name}.lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        done = folder / "done"
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                make(folder)
            except (subprocess.CalledProcessError, OSError) as error:
                said = getattr(error, "stderr", b"") or b""
                pytest.skip(f"{name} cannot be installed here: {error} {said.decode(errors='replace')[-500:]}")
            done.touch()
    return folder


def run(*command: str | Path, cwd: Path) -> None:
    subprocess.run([str(part) for part in command], cwd=cwd, check=True, capture_output=True, timeout=300)


def npm_peers() -> Path:
    """Folder with node_modules of package-lock.json, and client.mjs beside it."""
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()

    def make(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)

    folder = prepared("npm", digest, make)
    source, copy = HERE / "client.mjs", folder / "client.mjs"
    if not copy.exists() or copy.read_bytes() != source.read_bytes():
        shutil.copy(source, copy)
    return folder


def everything(folder: Path) -> Path:
    """The script of @modelcontextprotocol/server-everything: node SCRIPT stdio | streamableHttp."""
    return folder / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"


def time_server() -> Path:
    """The program of mcp-server-time, in an environment with the `mcp` it needs."""

    def make(folder: Path) -> None:
        uv = shutil.which("uv") or BOOT / "uv"
        python = getattr(sys, "_base_executable", sys.executable)
        run(uv, "venv", "--quiet", "--python", python, folder / "venv", cwd=folder)
        run(uv, "pip", "install", "--quiet", "-p", folder / "venv/bin/python", TIME_SERVER, cwd=folder)

    version = hashlib.sha256(f"{TIME_SERVER} {sys.version}".encode()).hexdigest()
    return prepared("time", version, make) / "venv/bin/mcp-server-time"


def path_with_uvx() -> str:
    """PATH for a hub: the uv that `./hub` brought comes last."""
    return os.pathsep.join((os.environ["PATH"], str(BOOT)))


def uvx(package: str, **env: str) -> dict[str, Any]:
    """The entry of a server from PyPI; `env` is what it needs."""
    return _fetched("uvx", [package], {**env, "UV_EXCLUDE_NEWER": AS_OF})


def npx(package: str, **env: str) -> dict[str, Any]:
    """The entry of a server from npm; `env` is what it needs."""
    return _fetched("npx", ["-y", package], {**env, "npm_config_before": AS_OF})


def _fetched(command: str, args: list[str], env: dict[str, str]) -> dict[str, Any]:
    way = {name: os.environ[name] for name in REGISTRIES if name in os.environ}
    return {"type": "stdio", "command": command, "args": args, "env": {**way, **env}}


# clients


@asynccontextmanager
async def python_client(url: str, key: str, **options: Any) -> AsyncIterator[Client]:
    """The official Python client, connected; `options` are those of `mcp.Client`."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=60, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), **options) as client,
    ):
        yield client


class PeerFailed(Exception):
    """The TypeScript client threw."""


class TypeScriptClient:
    """The official TypeScript client in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.notifications: list[str] = []
        self.errors: list[str] = []

    async def __aenter__(self) -> "TypeScriptClient":
        self._process = await asyncio.create_subprocess_exec(
            "node",
            "client.mjs",
            cwd=self._folder,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 26,
        )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), 5)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            if "notification" in said:
                self.notifications.append(said["notification"])
            elif "error" in said:
                self.errors.append(said["error"])
            elif "failed" in said:
                self._waiting.pop(said["id"]).set_exception(PeerFailed(f"{said['code']}: {said['failed']}"))
            else:
                self._waiting.pop(said["id"]).set_result(said.get("result"))
        for waiting in self._waiting.values():
            waiting.set_exception(PeerFailed("the client ended"))

    async def do(self, command: str, **arguments: Any) -> Any:
        assert self._process.stdin is not None
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        self._process.stdin.write(json.dumps({"id": number, "command": command, **arguments}).encode() + b"\n")
        async with asyncio.timeout(60):
            return await self._waiting[number]


@asynccontextmanager
async def typescript_client(folder: Path, url: str, key: str, **options: Any) -> AsyncIterator[TypeScriptClient]:
    """Connected; closed by DELETE at the end."""
    async with TypeScriptClient(folder) as client:
        await client.do("connect", url=url, headers={"Authorization": f"Bearer {key}"}, **options)
        yield client
        await client.do("close")
