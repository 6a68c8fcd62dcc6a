"""The newest log records of this node, redacted when they were written."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from mcphub.api.caller import ADMIN, Caller, Guard
from mcphub.api.schemas import Envelope
from mcphub.api.services import Services
from mcphub.api.streams import events, stream
from mcphub.logging import RING, LogFilter, LogRing

Level = Literal["", "debug", "info", "warning", "error", "critical"]
AROUND = 20  # lines before and after one that is looked at
LONGEST_NUMBER = 18  # digits


class LogsAnswer(Envelope, kw_only=True):
    """`head` is the number of the newest record, fitting or not: the live stream goes on behind it."""

    data: list[dict[str, Any]]
    head: int


async def sought(
    level: Annotated[Level, QueryParameter()] = "",
    source: Annotated[str, QueryParameter()] = "",
    server: Annotated[str, QueryParameter()] = "",
    request_id: Annotated[str, QueryParameter(name="request")] = "",
    q: Annotated[str, QueryParameter()] = "",
) -> LogFilter:
    return LogFilter(level=level, source=source, server=server, request=request_id, q=q)


class LogsController(Controller):
    path = "/api/logs"
    tags = ("Logs",)
    dependencies = {"sought": Provide(sought)}  # noqa: RUF012  litestar reads it

    @get("/", operation_id="logs", summary="The newest log records, newest first", who=ADMIN)
    async def logs(
        self,
        services: NamedDependency[Services],
        sought: NamedDependency[LogFilter],
        limit: Annotated[int, QueryParameter()] = 200,
        before: Annotated[int | None, QueryParameter()] = None,
        around: Annotated[int | None, QueryParameter()] = None,
    ) -> LogsAnswer:
        """`level` and above; `source` is the beginning of a logger's name; `before` the number `n` of a record, for
        older ones. With `around`, the 20 records before and after that number, whatever else is asked for.
        """
        ring: LogRing = services.log_ring
        head = ring.newest
        if around is not None:
            return LogsAnswer(data=ring.around(around, AROUND), head=head)
        size = min(max(limit, 1), RING)
        return LogsAnswer(data=ring.page(sought, before=before, limit=size), head=head)

    @get(
        "/stream",
        operation_id="logStream",
        summary="Log records from now on, as server-sent events",
        media_type="text/event-stream",
        who=ADMIN,
    )
    async def follow(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        guard: NamedDependency[Guard],
        sought: NamedDependency[LogFilter],
        last: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    ) -> Stream:
        """Takes the filters of the list. With `Last-Event-ID`, a record's number, it goes on behind that."""
        after = int(last) if last and last.isascii() and last.isdecimal() and len(last) <= LONGEST_NUMBER else None
        records = _wanted(services.log_ring, sought, after)
        source = events(records, lambda: guard.still(caller))
        return stream(services.streams.one_more(caller.user_id, source))


async def _wanted(ring: LogRing, sought: LogFilter, after: int | None) -> AsyncIterator[dict[str, Any]]:
    following = ring.follow(after)
    try:
        async for record in following:
            if sought.takes(record):
                yield record
    finally:
        await following.aclose()  # type: ignore[attr-defined]  # it is a generator
