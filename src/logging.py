"""Logs: one JSON line an event, secrets removed last, and the newest lines kept in memory for the administrator's page.

What is worse than a line of information is also kept in a file of the home, bounded, for the day after.

An event is a past-tense name with fields. Arguments, results, headers and environments are never logged at all:
redaction is the second lock, not the first. A value without a recognisable form under a harmless name passes.
"""

import asyncio
import logging as stdlib
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import msgspec
import structlog

RING = 5000
PROBLEMS = "hub.log"  # in the home's logs/
PROBLEM_BYTES, PROBLEM_FILES = 2 << 20, 2
PACKAGE = "mcphub."
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
HIDDEN = "[hidden]"
SECRET_KEY = re.compile(
    r"(?i)authorization|cookie|token|secret|password|passwd|api[-_]?key|(?:^|[-_])key$|dsn|database_url|^args$|^env$"
)
SECRET_TEXT = re.compile(
    r"mcphub_(?:[a-z]{2,3}_)?[0-9A-Za-z]{8,}"
    r"|gh[oprsu]_[0-9A-Za-z]{16,}|github_pat_[0-9A-Za-z_]{16,}|xox[abpr]-[0-9A-Za-z-]{8,}|sk-[0-9A-Za-z_-]{16,}"
    r"|AKIA[0-9A-Z]{12,}|eyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]{6,}"
    r"|(?<=[?&])(?:key|code|state|token)=[^&\s\"']+"
    r"|(?<=://)[^/\s:@]+:[^/\s@]+(?=@)"
    r"|(?i:\bbearer\s+)[^\s\"',]+|(?i:\bbasic\s+)[0-9A-Za-z+/=]{8,}"
)
MOST_TEXT, CUT_TEXT, MOST_ITEMS, MOST_DEPTH = 64 * 1024, 4 * 1024, 100, 6
SHORT_TEXT, MOST_KEY = 48, 200
WRITTEN_AFTER = 0.05  # seconds, at most, after a call's line was made
MOST_WAITING = 32  # lines; more together would hold up the call that comes meanwhile
HARMLESS_KEYS = {"data_key"}  # its id
# At info these write whole addresses with their queries, or a line a request.
NOISY = (
    *("httpx", "httpx2", "httpcore", "aiohttp", "aiohttp.access", "uvicorn.access"),
    *("asyncio", "psycopg.pool", "mcp"),
)


def redacted(value: Any, depth: int = 0) -> Any:
    """The value without anything that looks like a secret; long and deep things are cut."""
    if isinstance(value, str):
        if len(value) <= SHORT_TEXT:
            return _short(value)
        text = value if len(value) <= MOST_TEXT else value[:CUT_TEXT] + "…"
        return SECRET_TEXT.sub(HIDDEN, text) if _suspicious(text) else text
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if depth >= MOST_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {redacted(str(key)): _field(str(key), item, depth) for key, item in list(value.items())[:MOST_ITEMS]}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, depth + 1) for item in list(value)[:MOST_ITEMS]]
    return value if isinstance(value, int | float | bool) or value is None else redacted(str(value), depth)


@lru_cache(2048)
def _short(value: str) -> str:
    """Ids, names and methods come again and again, and the search is the dearest part of a line."""
    return SECRET_TEXT.sub(HIDDEN, value)


def _suspicious(text: str) -> bool:
    """Could SECRET_TEXT match at all? Each of its forms holds one of these; a look is a tenth of a search."""
    low = text.lower()
    return (
        "mcphub_" in low
        or "gh" in low
        or "github" in low
        or "xox" in low
        or "sk-" in low
        or "akia" in low
        or "eyj" in low
        or "=" in low
        or "://" in low
        or "bearer" in low
        or "basic" in low
    )


@lru_cache(1024)
def _telling(key: str) -> bool:
    return key not in HARMLESS_KEYS and SECRET_KEY.search(key) is not None


def _field(key: str, value: Any, depth: int) -> Any:
    if _telling(key[:MOST_KEY]) and value not in ("", True, False, None):
        return HIDDEN
    return redacted(value, depth + 1)


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The processor; it comes last before the renderer, after exceptions became text."""
    for key, value in event.items():
        event[key] = _field(key, value, 0)
    return event


def utc_text(micros: int) -> str:
    """A Unix time as ISO 8601; three times a call, so for a fifth of what `datetime` takes for it."""
    seconds, rest = divmod(micros, 1_000_000)
    return f"{_second(seconds)}.{rest:06}Z"


@lru_cache(16)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


class BoundedFile:
    """Lines in a file, which is put aside when it is long; the oldest go. What cannot be written is not.

    Args:
        path: its folder is made, and nothing above that.
        most: bytes of one file.
        files: how many there are, with the one being written.
    """

    def __init__(self, path: Path, most: int = PROBLEM_BYTES, files: int = PROBLEM_FILES) -> None:
        self._path = path
        self._most = most
        self._files = files
        self._guard = threading.Lock()

    def write(self, line: str) -> None:
        with self._guard, suppress(OSError):
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            if self._path.exists() and self._path.stat().st_size > self._most:
                for number in range(self._files - 1, 0, -1):
                    older = self._path if number == 1 else self._path.with_suffix(f".log.{number - 1}")
                    if older.exists():
                        older.replace(self._path.with_suffix(f".log.{number}"))
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
            with os.fdopen(os.open(self._path, flags, 0o600), "w", errors="replace") as file:
                file.write(line + "\n")


class LogRing:
    """The newest records, redacted, and whoever follows them."""

    def __init__(self, size: int = RING) -> None:
        self._records: deque[dict[str, Any]] = deque(maxlen=size)
        self._numbers = count(1)
        self._followers: set[asyncio.Queue[dict[str, Any]]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._problems: BoundedFile | None = None

    def keep_problems(self, file: BoundedFile) -> None:
        """From now on warnings and errors go there as well."""
        self._problems = file

    def bind(self, loop: asyncio.AbstractEventLoop) -> None:
        """Followers live on this loop; records come from any thread."""
        self._loop = loop

    def keep(self, _: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        """The processor, after redaction."""
        record = {"n": next(self._numbers), **event}
        self._records.append(record)
        if self._problems is not None and LEVELS.get(event.get("level", ""), 0) >= LEVELS["warning"]:
            self._problems.write(_json(event))
        if self._followers and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hand_out, record)
        return event

    def _hand_out(self, record: dict[str, Any]) -> None:
        for queue in self._followers:
            if not queue.full():  # a slow reader misses lines; the ring has them
                queue.put_nowait(record)

    @property
    def newest(self) -> int:
        """Number of the newest record; 0 without one."""
        return int(self._records[-1]["n"]) if self._records else 0

    def page(
        self, wanted: "LogFilter | None" = None, *, before: int | None = None, limit: int = 200
    ) -> list[dict[str, Any]]:
        """The newest records that fit, newest first.

        Args:
            wanted: without it everything is.
            before: only those older than the record of this number.
        """
        wanted = wanted or LogFilter()
        out = []
        for record in reversed(list(self._records)):
            if (before is None or record["n"] < before) and wanted.takes(record):
                out.append(record)
                if len(out) >= limit:
                    break
        return out

    def around(self, number: int, lines: int) -> list[dict[str, Any]]:
        """The record of this number with so many before and after it, newest first, whatever they are."""
        return [record for record in reversed(list(self._records)) if abs(record["n"] - number) <= lines]

    async def follow(self, after: int | None = None) -> AsyncIterator[dict[str, Any]]:
        """Records from now on.

        Args:
            after: begin behind the record of this number. Numbers begin anew with each start of the process: one that
                was not given yet is of a former one, so that everything here is news.
        """
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(500)
        self._followers.add(queue)
        try:
            missed = [] if after is None else list(self._records)
            begin = 0 if after is None or after > self.newest else after
            told = set()  # kept before the queue was there, and perhaps handed out after it
            for record in missed:
                if record["n"] > begin:
                    told.add(record["n"])
                    yield record
            while True:
                record = await queue.get()
                if record["n"] not in told:
                    yield record
        finally:
            self._followers.discard(queue)


class LogFilter(msgspec.Struct, frozen=True):
    """Which records are wanted; an empty member asks for nothing.

    Args:
        level: this one and above.
        source: the beginning of a logger's name, with or without the package's.
        server, request: exactly this server, this request id.
        q: a text anywhere in the record.
    """

    level: str = ""
    source: str = ""
    server: str = ""
    request: str = ""
    q: str = ""

    def takes(self, record: dict[str, Any]) -> bool:
        if self.level and LEVELS.get(record.get("level", ""), 0) < LEVELS.get(self.level, 0):
            return False
        logger = str(record.get("logger", ""))
        if self.source and not logger.startswith((self.source, f"{PACKAGE}{self.source}")):
            return False
        if self.server and record.get("server") != self.server:
            return False
        if self.request and record.get("request_id") != self.request:
            return False
        return not self.q or self.q.casefold() in str(record).casefold()


class NamedLogger(structlog.PrintLogger):
    """Prints, and knows the module it belongs to: the log page's `source`."""

    def __init__(self, name: str, file: TextIO) -> None:
        super().__init__(file)
        self.name = name

    def msg(self, message: str) -> None:
        """A line and its end in one write; `print` makes two."""
        with self._lock:
            self._file.write(message + "\n")
            self._file.flush()

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


class NamedLoggers:
    """Makes the logger of a module at its first line; structlog keeps it, so the look at the stack is paid once."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __call__(self, *args: str) -> NamedLogger:
        return NamedLogger(args[0] if args else _calling_module(), self._file)


def _calling_module() -> str:
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if name != __name__ and name.split(".")[0] != "structlog":
            return name
        frame = frame.f_back
    return "mcphub"


_encoded = msgspec.json.Encoder(enc_hook=str).encode


def _json(event: Any, **_: Any) -> str:
    return _encoded(event).decode()


def _logger_name(logger: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record = event.get("_record")  # of the standard library's loggers
    event["logger"] = record.name if record is not None else getattr(logger, "name", "mcphub")
    return event


class Often:
    """Writes the lines that come with every call: redacted, kept and rendered like all others, but without the chain of
    processors, and field by field only where something may be hidden.

    They are kept at once and written together a moment later, or with the next other line, so the order stays: a write
    for each would be a good part of what a call costs.
    """

    def __init__(self, ring: LogRing, file: TextIO) -> None:
        self._ring = ring
        self._out = NamedLogger("", file)
        self._waiting: deque[MutableMapping[str, Any]] = deque()
        self._soon: tuple[asyncio.AbstractEventLoop, asyncio.TimerHandle] | None = None

    def __call__(self, module: str, event: str, fields: MutableMapping[str, Any], foreign: str) -> None:
        line: MutableMapping[str, Any] = {
            **fields,
            "event": event,
            "level": "info",
            "logger": module,
            "timestamp": utc_text(time.time_ns() // 1000),
        }
        if len(foreign) > MOST_KEY or not _harmless(foreign) or not _telling_nothing(tuple(fields)):
            line = redact(None, "", line)
        self._ring.keep(None, "", line)
        self._waiting.append(line)
        if len(self._waiting) >= MOST_WAITING:
            self.flush()
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if self._soon is None or self._soon[0] is not loop:
            self._soon = loop, loop.call_later(WRITTEN_AFTER, self.flush)

    def flush(self) -> None:
        """Writes what waits; from any thread."""
        self._soon = None
        lines = []
        with suppress(IndexError):
            while True:
                lines.append(_json(self._waiting.popleft()))
        if lines:
            self._out.msg("\n".join(lines))


def _written_before(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The processor that keeps the order: what came with calls is written before this line."""
    if _often is not None:
        _often.flush()
    return event


@lru_cache(2048)
def _harmless(text: str) -> bool:
    return not _suspicious(text)


@lru_cache(16)
def _telling_nothing(keys: tuple[str, ...]) -> bool:
    return not any(map(_telling, keys))


_often: Often | None = None  # None while lines are for a terminal, or not to be written at all


def log_often(log: Any, module: str, event: str, fields: MutableMapping[str, Any], foreign: str) -> None:
    """`log.info(event, **fields)` of a module; for its busiest line.

    Args:
        foreign: all in the fields that was not made by the hub itself, whatever stands between; only this is searched
            for secrets, and the fields are searched when it may hold one.
    """
    if _often is not None:
        _often(module, event, fields, foreign)
    else:
        log.info(event, **fields)


def configure(level: str = "info", style: str = "", ring: LogRing | None = None) -> LogRing:
    """Sets logging up for the process; the renderer is JSON unless stderr is a terminal or `style` says `console`."""
    ring = ring or LogRing()
    console = style == "console" or (not style and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: list[Any] = [redact, ring.keep, _written_before]
    renderer = structlog.dev.ConsoleRenderer() if console else structlog.processors.JSONRenderer(serializer=_json)
    number = LEVELS.get(level, 20)
    global _often
    _often = Often(ring, sys.stderr) if not console and number <= LEVELS["info"] else None
    structlog.configure(
        processors=[*shared, *last, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=NamedLoggers(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = stdlib.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last, renderer],
        )
    )
    root = stdlib.getLogger()
    root.handlers = [handler]
    root.setLevel(max(number, 20))
    for name in NOISY:
        stdlib.getLogger(name).setLevel(stdlib.WARNING)
    return ring
