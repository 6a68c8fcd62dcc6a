"""The test servers, as a hub is told about them and as a test starts and ends them."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.recorder import Recorder
from tests.support.running import free_port

SERVERS = Path(__file__).parent / "servers"
ROOT = Path(__file__).parents[2]


@dataclass
class HttpServer:
    """A test server in a process of its own, reached over HTTP; comes back on the same port after `kill`."""

    name: str
    command: list[str]
    port: int
    kind: str = "streamable-http"
    process: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return self.origin + {"streamable-http": "/mcp", "sse": "/sse", "openapi": "/openapi.json"}[self.kind]

    def start(self) -> "HttpServer":
        self.process = subprocess.Popen(
            [*self.command, "--port", str(self.port)], cwd=ROOT, stdout=subprocess.PIPE, start_new_session=True
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == str(self.port).encode(), f"{self.name} did not start"
        return self

    def become(self, *tools: dict[str, Any]) -> None:
        """From now on it lists these tools. Said to it past any hub: the server's own doing."""
        with httpx.Client(base_url=self.origin, timeout=30, trust_env=False) as http:
            begun = http.post("/mcp", json=_message("initialize", protocolVersion="2025-06-18"))
            session = {"Mcp-Session-Id": begun.headers["mcp-session-id"]}
            told = _message("tools/call", name="become", arguments={"tools": list(tools)})
            assert http.post("/mcp", json=told, headers=session).json()["result"]["isError"] is False

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        if self.process is not None and self.process.stdout is not None:
            self.process.stdout.close()

    def config(self, **more: Any) -> dict[str, Any]:
        """Its entry in mcp_settings.json; `headers` and the like on top, of a REST service `security`, too."""
        if self.kind != "openapi":
            return {"type": self.kind, "url": self.url, **more}
        security = {"security": more.pop("security")} if "security" in more else {}
        return {"type": "openapi", "openapi": {"url": self.url, **security}, **more}


def _message(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


@dataclass
class Upstreams:
    """Starts test servers that tell one recorder; ends them all."""

    recorder: Recorder
    started: list[HttpServer] = field(default_factory=list)

    def http(self, name: str, *tools: str, moved: str = "") -> HttpServer:
        """`moved` is where its address with a slash at the end redirects to."""
        return self._started("over_http", name, tools, "streamable-http", "--moved", moved)

    def newest(self, name: str) -> HttpServer:
        """One that speaks 2026-07-28 and nothing else."""
        return self._started("over_newest", name, (), "streamable-http")

    def sse(self, name: str, *tools: str) -> HttpServer:
        return self._started("over_sse", name, tools, "sse")

    def rest(self, name: str, *tools: str, document: Path | None = None) -> HttpServer:
        """A REST service; `tools` are operations beside its own."""
        return self._started("over_rest", name, tools, "openapi", "--document", str(document or ""))

    def _started(self, module: str, name: str, tools: tuple[str, ...], kind: str, *option: str) -> HttpServer:
        command = [sys.executable, "-m", f"tests.support.servers.{module}", "--name", name]
        command += ["--recorder", str(self.recorder.port)]
        for tool in tools:
            command += ["--tool", tool]
        if any(option[1:]):
            command += option
        server = HttpServer(name, command, free_port(), kind)
        self.started.append(server)
        return server.start()

    def stdio(self, name: str, *tools: str, deaf: bool = False, **more: Any) -> dict[str, Any]:
        """The entry of a test server the hub starts itself."""
        args = [str(SERVERS / "over_stdio.py"), "--name", name, "--recorder", str(self.recorder.port)]
        for tool in tools:
            args += ["--tool", tool]
        return {"command": "python3", "args": [*args, *(["--deaf"] if deaf else [])], **more}

    def end(self) -> None:
        for server in self.started:
            server.kill()
