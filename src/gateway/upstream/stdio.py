"""A server's process, run for one user and spoken to in lines.

Promises:
- the child sees its own configuration, its user's values and a short list of harmless variables; nothing of the hub's;
- it ends as a process group: its stdin closes, then SIGTERM, then SIGKILL;
- progress tokens are the hub's own on this line, so that sessions that share a process never meet.

Spec: MCP 2025-11-25, Transports, stdio.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog
from msgspec import Raw

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway import wire
from mcphub.gateway.upstream.http import Clock
from mcphub.gateway.upstream.runtime import (
    Caller,
    Identity,
    Listener,
    Reply,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from mcphub.logging import redacted

log = structlog.get_logger()

LINE = 32 * 1024 * 1024
STDERR_LINES = 200
OPEN_SECONDS = 30.0
INSTALL_SECONDS = 120.0  # npx and uvx may have to fetch a package first
INSTALLERS = {"npx", "npm", "uvx", "uv"}
GENTLE_SECONDS = 2.0
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ")
SHORTEST_SECRET = 6  # characters a value must have to be masked in the process's own output


class StdioRuntime:
    """One process."""

    kind = "stdio"

    def __init__(
        self,
        spec: ServerSpec,
        identity: Identity,
        injected: Injected,
        listener: Listener,
        home: Path,
        mirrors: dict[str, str],
        sandbox: str,
    ) -> None:
        self.server_id = spec.server_id
        self.slug = spec.slug
        self.user_id: str | None = None if spec.isolation == "shared" else identity.user_id
        self.initialize_result = b"{}"
        self.ended = ""  # why, once it is
        self._spec = spec
        self._identity = identity
        self._injected = injected
        self._listener = listener
        self._home = home
        self._mirrors = mirrors
        self._sandbox = sandbox
        self._ids = 0
        self._waiting: dict[bytes, tuple[asyncio.Future[Reply], Caller | None, Clock]] = {}
        self._tokens: dict[bytes, tuple[bytes, Caller, Clock]] = {}  # ours → (theirs, caller, clock)
        self._stderr: deque[str] = deque(maxlen=STDERR_LINES)
        self._process: asyncio.subprocess.Process
        self._readers: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def pid(self) -> int | None:
        return self._process.pid if hasattr(self, "_process") else None

    async def open(self) -> None:
        """
        Raises:
            UpstreamUnreachable, UpstreamBroken: it did not start, or is no MCP server.
        """
        env = self._environment()
        found = shutil.which(self._injected.command, path=env["PATH"])
        if found is None:
            raise UpstreamUnreachable(f"there is no command {self._injected.command!r} on this machine", sent=False)
        folder = self._home
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = [found, *self._injected.args]
        launcher = [sys.executable, "-m", "mcphub.gateway.upstream.sandbox", self._sandbox, str(os.getpid()), "--"]
        try:
            self._process = await asyncio.create_subprocess_exec(
                *launcher,
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=env,
                cwd=folder,
                start_new_session=True,
                limit=LINE,
            )
        except OSError as error:
            raise UpstreamUnreachable(f"it could not be started: {error.strerror}", sent=False) from None
        self._readers = [
            asyncio.create_task(self._read(), name=f"stdout-{self.slug}"),
            asyncio.create_task(self._read_stderr(), name=f"stderr-{self.slug}"),
        ]
        seconds = INSTALL_SECONDS if Path(found).name in INSTALLERS else OPEN_SECONDS
        params = self._identity.client_params
        if params in (b"", b"{}"):
            params = wire.encode(
                {
                    "protocolVersion": self._identity.protocol_version,
                    "capabilities": {},
                    "clientInfo": {"name": "mcphub", "version": "1"},
                }
            )
        try:
            reply = await self.call(
                "initialize", params, None, timeout=seconds, reset_on_progress=False, max_total=seconds
            )
        except UpstreamTimeout:
            raise UpstreamUnreachable(self._with_stderr("it did not answer initialize in time"), sent=False) from None
        except UpstreamUnreachable as error:
            raise UpstreamUnreachable(self._with_stderr(str(error)), sent=False) from None
        if reply.result is None:
            raise UpstreamBroken("it refused initialize")
        self.initialize_result = reply.result
        await self.notify("notifications/initialized", b"")

    def _environment(self) -> dict[str, str]:
        env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        env.setdefault("PATH", os.defpath)
        env |= {"HOME": str(self._home), "TMPDIR": str(self._home)}
        env |= self._mirrors
        env |= self._injected.env
        env["MCPHUB_USER_ID"] = self._identity.user_id
        env["MCPHUB_SESSION_ID"] = self._identity.session_id
        return env

    def _with_stderr(self, why: str) -> str:
        return f"{why}; it said: {self._stderr[-1]}" if self._stderr else why

    # calls

    async def call(
        self,
        method: str,
        params: bytes,
        caller: Caller | None,
        *,
        timeout: float,  # noqa: ASYNC109
        reset_on_progress: bool,
        max_total: float,
    ) -> Reply:
        if self.ended:
            raise UpstreamUnreachable(self.ended, sent=False)
        self._ids += 1
        number = self._ids
        id_ = b"%d" % number
        clock = Clock(timeout, reset_on_progress, max_total)
        token = b""
        if caller is not None and b'"progressToken"' in params:
            params, token = self._own_token(params, id_, caller, clock)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[id_] = (future, caller, clock)
        try:
            async with clock.scope:
                await self._write(wire.request(id_, method, params))
                return await future
        except TimeoutError:
            self._spawn(self._cancel_there(number, "timed out"))
            raise UpstreamTimeout(self.slug) from None
        except asyncio.CancelledError:
            self._spawn(self._cancel_there(number, "cancelled"))
            raise
        finally:
            self._waiting.pop(id_, None)
            self._tokens.pop(token, None)

    def _own_token(self, params: bytes, id_: bytes, caller: Caller, clock: Clock) -> tuple[bytes, bytes]:
        try:
            found: dict[str, Raw | bytes] = dict(wire.members(params))
            meta: dict[str, Raw | bytes] = dict(wire.members(bytes(found.get("_meta", b""))))
        except wire.Unreadable:
            return params, b""
        theirs = meta.get("progressToken")
        if theirs is None:
            return params, b""
        ours = id_
        self._tokens[ours] = (bytes(theirs), caller, clock)
        meta["progressToken"] = ours
        found["_meta"] = wire.joined(meta)
        return wire.joined(found), ours

    async def notify(self, method: str, params: bytes) -> None:
        with suppress(UpstreamUnreachable):
            await self._write(wire.notification(method, params))

    async def _write(self, frame: bytes) -> None:
        stdin = self._process.stdin
        if stdin is None or stdin.is_closing() or self.ended:
            raise UpstreamUnreachable(self.ended or "its process is gone", sent=False)
        stdin.write(wire.one_line(frame) + b"\n")
        try:
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError):
            raise UpstreamUnreachable("its process is gone", sent=False) from None

    async def _cancel_there(self, number: int, reason: str) -> None:
        await self.notify("notifications/cancelled", wire.encode({"requestId": number, "reason": reason}))

    # what it says

    async def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        reason = "its process ended"
        try:
            while line := await stdout.readline():
                self._line(line)
        except (ValueError, asyncio.LimitOverrunError):
            reason = "it wrote a line longer than 32 MiB"
        await self._over(reason)

    def _line(self, line: bytes) -> None:
        line = line.strip()
        if not line.startswith(b"{"):
            return  # a server that prints to stdout; MCP is between the braces
        try:
            message = wire.read_reply(line)
        except wire.Unreadable:
            return
        if not message.method:
            entry = self._waiting.get(bytes(message.id))
            if entry is not None and not entry[0].done():
                error = bytes(message.error)
                entry[0].set_result(Reply(error=error) if error else Reply(result=bytes(message.result)))
        elif bytes(message.id):
            self._spawn(self._answer(message))
        elif message.method == "notifications/progress":
            self._progress(message, line)
        elif message.method == "notifications/message":
            if (caller := self._newest()) is not None:
                caller.notify(line)
        else:
            self._listener.server_notification(self, message.method, line)

    def _progress(self, message: wire.Msg, line: bytes) -> None:
        try:
            params: dict[str, Raw | bytes] = dict(wire.members(message.params))
        except wire.Unreadable:
            return
        known = self._tokens.get(bytes(params.get("progressToken", b"")))
        if known is None:
            return
        theirs, caller, clock = known
        clock.progressed()
        params["progressToken"] = theirs
        caller.notify(wire.notification(message.method, wire.joined(params)))

    def _newest(self) -> Caller | None:
        return next((caller for _, caller, _ in reversed(self._waiting.values()) if caller is not None), None)

    async def _answer(self, message: wire.Msg) -> None:
        """A question of the server carries no call's id: it goes to the newest call under way."""
        caller = self._newest()
        if message.method == "ping":
            reply = Reply(result=b"{}")
        elif caller is None:
            reply = Reply(error=wire.error(-32601, f"Nobody here answers {message.method[:64]}."))
        else:
            reply = await caller.ask(message.method, bytes(message.params))
        id_ = bytes(message.id)
        frame = wire.failure(id_, reply.error) if reply.error is not None else wire.result(id_, reply.result or b"{}")
        with suppress(UpstreamUnreachable):
            await self._write(frame)

    async def _read_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        secrets = [value for value in self._injected.env.values() if len(value) >= SHORTEST_SECRET]
        with suppress(ValueError):
            while line := await stderr.readline():
                text = line.decode("utf-8", "replace").strip()[:500]
                for secret in secrets:
                    text = text.replace(secret, "••••")
                if text:
                    self._stderr.append(str(redacted(text)))

    async def _over(self, reason: str) -> None:
        if not self.ended:
            code = await self._process.wait()
            self.ended = f"{reason} with {code}" if reason == "its process ended" else reason
            self._listener.runtime_ended(self, self.ended)
        for future, _, _ in list(self._waiting.values()):
            if not future.done():
                future.set_exception(UpstreamUnreachable(self.ended, sent=True))
        self._kill(signal.SIGKILL)

    # the end

    async def close(self, reason: str, *, gentle: float = GENTLE_SECONDS) -> None:
        """Ends the process and everything it started."""
        if not hasattr(self, "_process"):
            return
        self.ended = self.ended or reason
        if self._process.stdin is not None:
            self._process.stdin.close()
        steps = (None, signal.SIGTERM) if gentle >= GENTLE_SECONDS else (signal.SIGTERM,)
        for step in steps:
            if step is not None:
                self._kill(step)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), gentle)
                break
        self._kill(signal.SIGKILL)
        await self._process.wait()
        for reader in self._readers:
            if reader is not asyncio.current_task():
                reader.cancel()
        for future, _, _ in list(self._waiting.values()):
            if not future.done():
                future.set_exception(UpstreamUnreachable(self.ended, sent=True))

    def _kill(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
