"""Where arguments are checked: small plain schemas here, all others in a process that can be ended.

The schemas are the upstreams', and a library that evaluates one holds the interpreter until it is done: with references
a few hundred bytes can ask for years of work. What such a process does not answer in time counts as not checked, and
the same schema is not tried again.
"""

import asyncio
import json
import re
import sys
from collections import OrderedDict
from contextlib import suppress

import structlog

from mcphub.gateway.arguments import Violation, violations

log = structlog.get_logger()

PLAIN_SCHEMA = 32 * 1024  # bytes of a schema that is evaluated here
PLAIN_WORK = 32 * 1024 * 1024  # bytes of the schema times bytes of the arguments; some milliseconds at the very most
# References multiply the work and patterns are programs; a backslash could spell either another way.
NOT_PLAIN = re.compile(rb'\\|"\$(?:ref|dynamicRef|recursiveRef)"|"pattern')
WITHIN = 1.0  # seconds a check may take, its turn and the start of the process included
LONGEST_LINE = 1024 * 1024  # bytes of an answer
REMEMBERED = 1000  # schemas that took too long


class Checker:
    """One for a hub. Its process starts with the first schema that needs one and ends with the hub in any case."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._too_long: OrderedDict[bytes, None] = OrderedDict()
        self._closed = False

    async def violations(self, schema: bytes, arguments: bytes) -> list[Violation]:
        """What is wrong with the arguments; nothing when it cannot be told, or not in time."""
        if not schema:
            return []
        if is_plain(schema) and len(schema) * len(arguments) <= PLAIN_WORK:
            return violations(schema, arguments) or []
        if schema in self._too_long or self._closed:
            return []
        began = False
        try:
            async with asyncio.timeout(WITHIN):
                async with self._turn:
                    began = True
                    return await self._asked(schema, arguments)
        except (TimeoutError, OSError, ValueError) as error:
            log.warning("arguments_not_checked", why=type(error).__name__, schema_bytes=len(schema))
            if began:
                self._remember(schema)
            return []

    async def _asked(self, schema: bytes, arguments: bytes) -> list[Violation]:
        process = await self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        answered = False
        try:
            process.stdin.write(json.dumps([schema.decode(), arguments.decode()]).encode() + b"\n")
            await process.stdin.drain()
            line = await process.stdout.readline()
            found = json.loads(line)  # an empty line: it is dead
            answered = True
        finally:
            if not answered:  # an answer that comes later must not be taken for the next one's
                self._end()
        return [(pointer, detail) for pointer, detail in found or ()]

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-I", "-m", "mcphub.gateway.arguments"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=LONGEST_LINE,
                env={},
                start_new_session=True,
            )
        return self._process

    def _remember(self, schema: bytes) -> None:
        self._too_long[schema] = None
        if len(self._too_long) > REMEMBERED:
            self._too_long.popitem(last=False)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()

    async def close(self) -> None:
        """Nothing is checked afterwards."""
        self._closed = True
        process = self._process
        self._end()
        if process is not None:
            await process.wait()


def is_plain(schema: bytes) -> bool:
    """Is its work bounded by its own size and that of the arguments?"""
    return len(schema) <= PLAIN_SCHEMA and NOT_PLAIN.search(schema) is None
