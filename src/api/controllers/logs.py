"""The newest log records of this node, redacted when they were written."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Stream

from mcphub.api.caller import ADMIN, Caller, Guard
from mcphub.api.schemas import Envelope
from mcphub.api.services import Services
from mcphub.api.streams import events, stream
from mcphub.logging import RING, LogRing, fits

Level = Literal["", "debug", "info", "warning", "error", "critical"]


class LogsAnswer(Envelope, kw_only=True):
    data: list[dict[str, Any]]


class LogsController(Controller):
    path = "/api/logs"
    tags = ("Logs",)

    @get("/", operation_id="logs", summary="The newest log records, newest first", who=ADMIN)
    async def logs(
        self,
        services: NamedDependency[Services],
        level: Annotated[Level, QueryParameter()] = "",
        source: Annotated[str, QueryParameter()] = "",
        q: Annotated[str, QueryParameter()] = "",
        limit: Annotated[int, QueryParameter()] = 200,
    ) -> LogsAnswer:
        """`level` and above; `source` is the beginning of a logger's name."""
        size = min(max(limit, 1), RING)
        return LogsAnswer(data=services.log_ring.page(level=level, source=source, q=q, limit=size))

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
        level: Annotated[Level, QueryParameter()] = "",
        source: Annotated[str, QueryParameter()] = "",
        q: Annotated[str, QueryParameter()] = "",
    ) -> Stream:
        records = _wanted(services.log_ring, level, source, q)
        return stream(events(records, lambda: guard.still(caller)))


async def _wanted(ring: LogRing, level: str, source: str, q: str) -> AsyncIterator[dict[str, Any]]:
    following = ring.follow()
    try:
        async for record in following:
            if fits(record, level=level, source=source, q=q):
                yield record
    finally:
        await following.aclose()  # type: ignore[attr-defined]  # it is a generator
