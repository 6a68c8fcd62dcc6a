"""A server's process, run for one user and spoken to in lines.

Promises:
- the child sees its own configuration, its user's values and a short list of harmless variables; nothing of the hub's;
- it ends with everything it started: its stdin closes, then SIGTERM, then SIGKILL, to the whole group.

Spec: MCP 2025-11-25, Transports, stdio.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import structlog

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway import wire
from mcphub.gateway.upstream import contained, frames, handshake, sandbox
from mcphub.gateway.upstream.children import MARK, Children, environment, new_mark
from mcphub.gateway.upstream.clock import Clock
from mcphub.gateway.upstream.contained import Contained
from mcphub.gateway.upstream.dialogue import Dialogue
from mcphub.gateway.upstream.runtime import (
    Caller,
    Identity,
    Listener,
    Reply,
    UpstreamBroken,
    UpstreamFailed,
    UpstreamUnreachable,
)
from mcphub.gateway.upstream.stderr import Stderr, secrets_of
from mcphub.gateway.wire import Unreadable

log = structlog.get_logger()

MOST_LINE = 32 * 1024 * 1024  # bytes; the reader's own 64 KiB would break on a big result
MOST_MESSAGE = 16 * 1024 * 1024
MOST_UNREAD = 16 * 1024 * 1024  # bytes that wait for the process to read them
INITIALIZE_SECONDS = 30.0
INSTALL_SECONDS = 300.0  # these fetch a package before it can start, over whatever line there is
INSTALLERS = {"npx", "npm", "uvx", "uv"}
STEP_SECONDS = 2.0  # between closing stdin, SIGTERM and SIGKILL
STEP_SECONDS_AT_ONCE = 0.5
LAST_WORDS_SECONDS = 0.2  # for what a process that ended wrote before
END_SECONDS = 1.0  # for a process that closed its output
LINES_AT_ONCE = 100  # a server that floods must not keep everybody else waiting
MOST_STDERR_PIECE = 64 * 1024


class Pipes(asyncio.subprocess.SubprocessStreamProtocol):
    """The pipes to a process, and the moment it ends: asyncio's own `wait` waits for the pipes, too, which something
    the process started may hold open for ever.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=MOST_LINE, loop=loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


class StdioRuntime:
    """Implements Runtime.

    Args:
        user_id: None for a process that serves everybody.
        session_id: '' when it serves more than one session.
        mirrors: where packages are installed from.
        way_out: variables by which the process finds the way out of the network.
        mode: of the sandbox.
        protected: paths no child may open.
        over: told once when the process ends by itself.
    """

    modern = False
    kind = "stdio"
    trouble = ""

    def __init__(
        self,
        spec: ServerSpec,
        identity: Identity,
        injected: Injected,
        listener: Listener,
        *,
        user_id: str | None,
        session_id: str,
        children: Children,
        mirrors: Mapping[str, str],
        way_out: Mapping[str, str] | None = None,
        mode: str,
        protected: list[str],
        hub_version: str,
        over: Callable[["StdioRuntime"], None],
    ) -> None:
        self.server_id = spec.server_id
        self.slug = spec.slug
        self.user_id = user_id
        self.initialize_result = b""
        self.log_level = ""
        self.ended = ""  # why, once it is
        self.noise = 0  # lines on stdout that were no message
        self.stderr = Stderr(secrets_of(spec, injected))
        self._spec = spec
        self.session_id = identity.session_id if session_id else ""
        self._session_id = session_id
        self._identity = identity
        self._injected = injected
        self._children = children
        self._mirrors = mirrors
        self._way_out = way_out or {}
        self._mode = mode
        self._protected = protected
        self._params = handshake.initialize_params(identity, hub_version)
        self._over = over
        self._process: asyncio.subprocess.Process | None = None
        self._transport: asyncio.SubprocessTransport | None = None
        self._pipes: Pipes
        self._read_all = asyncio.Event()
        self._read_all_stderr = asyncio.Event()
        self._over_noticed = asyncio.Event()
        self._home = Path()
        self._account = 0
        self._told = -1  # where its launcher says what holds it
        self.contained: Contained | None = None  # what its launcher told
        self._buried = False
        self._cleared = False
        self._mark = new_mark()
        self._dialogue = Dialogue(self, listener, self._write)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    # beginning

    async def open(self) -> None:
        """
        Raises:
            UpstreamFailed: it did not start or is no MCP server; `close` still has to be called.
        """
        await self._start(_found(self._injected.command))
        seconds = INSTALL_SECONDS if self._fetches else INITIALIZE_SECONDS
        try:
            reply = await self._ask("initialize", self._params, None, Clock(seconds, seconds, False))
        except UpstreamFailed as error:
            raise UpstreamUnreachable(self._with_last_words(f"it did not start: {error}"), sent=False) from None
        if reply.result is None:
            raise UpstreamBroken(self._with_last_words("it refused initialize"))
        handshake.agreed_version(reply.result)
        self.initialize_result = reply.result
        with suppress(BlockingIOError):  # it was told before the program began
            self.contained = contained.read(os.read(self._told, contained.MOST_TOLD))
        await self._write(handshake.INITIALIZED)

    @property
    def _fetches(self) -> bool:
        """Is it one that fetches a package first?"""
        return Path(self._injected.command).name in INSTALLERS

    async def _start(self, program: str) -> None:
        packages: Path | None = None
        try:
            home = self._home = self._children.home_of(self.server_id, self.user_id or "", self._session_id)
            if self._session_id and self._fetches:  # its home goes with the session, and the next one would fetch again
                packages = self._children.packages_of(self.server_id, self.user_id or "")
            self._account = self._children.account_of(self.server_id, self.user_id or "")
        except OSError as error:
            raise UpstreamUnreachable(f"its directory cannot be made: {error.strerror}", sent=False) from None
        said = {MARK: self._mark}
        if self.user_id is not None:
            said |= {"MCPHUB_USER_ID": self.user_id, "MCPHUB_SESSION_ID": self._identity.session_id}
        self._told, report = os.pipe()
        os.set_blocking(self._told, False)
        options = {
            "parent": os.getpid(),
            "mode": self._mode,
            "own": [str(home), *([str(packages)] if packages else [])],
            "protect": self._protected,
            "account": self._account,
            "belongings": [str(self._children.place_of(self.server_id, self.user_id or ""))],
            "named": sandbox.paths_in([*_literals(self._spec), *self._way_out.values()]),
            "report": report,
        }
        launcher = [sys.executable, "-I", "-S", str(sandbox.__file__), json.dumps(options)]
        loop = asyncio.get_running_loop()
        try:
            self._transport, self._pipes = await loop.subprocess_exec(
                lambda: Pipes(loop),
                *launcher,
                program,
                *self._injected.args,
                env=environment(
                    self._injected.command, home, self._mirrors, self._injected.env, said, self._way_out, packages
                ),
                cwd=home,
                start_new_session=True,
                pass_fds=(report,),
            )
        except (OSError, ValueError) as error:  # a value with a NUL in it is no argument
            why = error.strerror if isinstance(error, OSError) else "its arguments or environment cannot be passed on"
            raise UpstreamUnreachable(f"it cannot be started: {why}", sent=False) from None
        finally:
            os.close(report)
        self._children.began(self._account)
        self._process = asyncio.subprocess.Process(self._transport, self._pipes, loop)
        self._children.mark(self._process.pid, self._mark)
        for work, name in ((self._read(), "stdout"), (self._read_stderr(), "stderr"), (self._watch(), "process")):
            self._spawn(work, name)

    def _with_last_words(self, why: str) -> str:
        return f"{why}; it said: {self.stderr.last}" if self.stderr.last else why

    # Runtime

    async def call(
        self,
        method: str,
        params: bytes,
        caller: Caller | None,
        *,
        timeout: float,  # noqa: ASYNC109
        reset_on_progress: bool,
        max_total: float,
        identity: Identity | None = None,
    ) -> Reply:
        if caller is not None and self._spec.context_headers != "none":
            params = frames.with_meta(params, _context(identity or self._identity, caller), caller)
        return await self._ask(method, params, caller, Clock(timeout, max_total, reset_on_progress))

    async def notify(self, method: str, params: bytes) -> None:
        await self._write(wire.notification(method, params))

    def _ask(self, method: str, params: bytes, caller: Caller | None, clock: Clock) -> Coroutine[Any, Any, Reply]:
        return self._dialogue.ask(method, params, caller, clock, lambda _, frame: self._write(frame))

    async def _write(self, frame: bytes) -> None:
        """
        Raises:
            UpstreamUnreachable: `sent` says whether a part of it may have arrived.
        """
        process = self._process
        if self.ended or process is None or process.stdin is None or process.stdin.is_closing():
            raise UpstreamUnreachable(self.ended or "its process is gone", sent=False)
        if process.stdin.transport.get_write_buffer_size() > MOST_UNREAD:
            raise UpstreamUnreachable("its process does not read what it is told", sent=False)
        process.stdin.write(wire.one_line(frame) + b"\n")
        try:
            await process.stdin.drain()
        except OSError:
            await _within(LAST_WORDS_SECONDS, self._over_noticed)  # how it ended says more
            raise UpstreamUnreachable(self.ended or "its process is gone", sent=True) from None

    # what it says

    async def _read(self) -> None:
        assert self._process is not None
        stdout = self._process.stdout
        assert stdout is not None
        try:
            lines = 0
            while line := await stdout.readline():
                self._line(line.strip())
                lines += 1
                if not lines % LINES_AT_ONCE:
                    await asyncio.sleep(0)  # lines that are there already are read without waiting
        except ValueError:
            self._end(f"it wrote a line of more than {MOST_LINE} bytes")
            return
        self._read_all.set()
        if not await _within(END_SECONDS, self._pipes.exited):  # mostly it ends now, and how says more
            self._end("it closed its output")

    def _line(self, line: bytes) -> None:
        if line[:1] not in (b"{", b"["):
            self.noise += bool(line)
            return
        if len(line) > MOST_MESSAGE:
            self._end(f"it wrote a message of more than {MOST_MESSAGE} bytes")
            return
        try:
            for frame, message in frames.messages(line):
                self._dialogue.heard(frame, message)
        except Unreadable:
            self.noise += 1
            self._dialogue.unreadable(line)

    async def _read_stderr(self) -> None:
        assert self._process is not None
        stderr = self._process.stderr
        assert stderr is not None
        while piece := await stderr.read(MOST_STDERR_PIECE):
            self.stderr.feed(piece)
        self.stderr.feed(b"\n")
        self._read_all_stderr.set()

    # ending

    async def _watch(self) -> None:
        """Notices that the process ended, also when something it started still holds its pipes."""
        await self._pipes.exited.wait()
        await _within(LAST_WORDS_SECONDS, self._read_all, self._read_all_stderr)
        self._kill(signal.SIGKILL)
        self._buried = True
        code = self._process.returncode if self._process is not None else None
        code = 0 if code is None else code
        self._end(f"its process was killed by signal {-code}" if code < 0 else f"its process ended with code {code}")

    def _end(self, why: str) -> None:
        """Fails what is under way; the first reason stays."""
        first = not self.ended
        self.ended = self.ended or why
        self._dialogue.fail(UpstreamUnreachable(self.ended, sent=True))
        self._over_noticed.set()
        if first:
            self._over(self)

    async def close(self, reason: str, *, at_once: bool = False) -> None:
        """Ends the process and everything it started.

        Args:
            at_once: its user is locked out, so no time is left for goodbyes.
        """
        self.ended = self.ended or reason
        self._dialogue.fail(UpstreamUnreachable(self.ended, sent=True))
        process = self._process
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            step = STEP_SECONDS_AT_ONCE if at_once else STEP_SECONDS
            gone = not at_once and await _within(step, self._pipes.exited)
            if not gone:
                self._kill(signal.SIGTERM)
                await _within(step, self._pipes.exited)
            self._kill(signal.SIGKILL)  # it, or what it left in its group
            await self._pipes.exited.wait()
            if not self._cleared:
                self._cleared = True
                held = self.contained is not None and "account" in self.contained.layers
                await self._children.ended(self._mark, self._account, held=held)
            if self._session_id:  # nobody comes back to it
                await asyncio.to_thread(shutil.rmtree, self._home, ignore_errors=True)
        tasks = [task for task in self._tasks if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._dialogue.close()
        if self._transport is not None:
            self._transport.close()
        if self._told >= 0:
            os.close(self._told)
            self._told = -1

    def _kill(self, number: signal.Signals) -> None:
        """The whole group, while its number cannot have been given to another one."""
        if self._process is not None and not self._buried:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=f"{name}-{self.slug}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _within(seconds: float, *events: asyncio.Event) -> bool:
    """Do all of these happen by then?"""
    try:
        async with asyncio.timeout(seconds):
            for event in events:
                await event.wait()
    except TimeoutError:
        return False
    return True


def _found(command: str) -> str:
    """The program's absolute path.

    Raises:
        UpstreamUnreachable: there is none.
    """
    program = shutil.which(command, path=os.environ.get("PATH", os.defpath))
    if program is None:
        raise UpstreamUnreachable(f"the hub's machine has no command {command!r}", sent=False)
    return os.path.abspath(program)


def _literals(spec: ServerSpec) -> list[str]:
    """What the configuration alone says to the process: a user's value must not choose what holds it."""
    words = [*spec.args, *spec.env.values()]
    return [word for word in words if isinstance(word, str) and "${" not in word]


def _context(identity: Identity, caller: Caller) -> Mapping[str, bytes]:
    """What an HTTP upstream is told in headers."""
    said = {"mcphub/userId": identity.user_id, "mcphub/requestId": caller.request_id}
    if identity.session_id:
        said["mcphub/sessionId"] = identity.session_id
    return {name: wire.encode(value) for name, value in said.items()}
