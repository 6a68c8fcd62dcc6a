"""Where the read tables stand, and making them anew."""

import asyncio
from datetime import datetime
from typing import Literal

import structlog
from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from msgspec import Struct
from psycopg.rows import class_row

from mcphub.api.caller import ADMIN
from mcphub.api.problems import Problem, not_found
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services
from mcphub.projections.projector import all_projections, rebuild_apart

log = structlog.get_logger()

STANDINGS = """
    select name, position, version, status, error, failed_at_position, updated_at,
           (select position from public.ledger_head) as head
    from public.tracking order by name
"""


class ProjectionView(Out, kw_only=True):
    """`lag` in facts. `error` and `failedAtPosition` name the fact it cannot take; a rebuild clears them."""

    name: str
    position: int
    head: int
    lag: int
    state: Literal["live", "failed", "rebuilding"]
    version: int
    error: str | None
    failed_at_position: int | None
    updated_at: datetime


class ProjectionsAnswer(Envelope, kw_only=True):
    data: list[ProjectionView]


class _Row(Struct):
    name: str
    position: int
    version: int
    status: str
    error: str | None
    failed_at_position: int | None
    updated_at: datetime
    head: int


class Rebuilds:
    """At most one rebuild at a time, in a process of its own."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._running: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        return self._running is not None and not self._running.done()

    def start(self) -> None:
        """
        Raises:
            Problem: one is running.
        """
        if self.running or self._services.projector.rebuilding is not None:
            raise Problem(409, "rebuild_running", "The read tables are being rebuilt.", "Wait until it has finished.")
        self._running = asyncio.create_task(self._run(), name="rebuild")

    async def _run(self) -> None:
        try:
            position = await asyncio.to_thread(self._rebuild)
        except Exception as error:
            log.warning("rebuild_failed", why=type(error).__name__)
        else:
            log.info("rebuild_finished", position=position)

    def _rebuild(self) -> int:
        return rebuild_apart(self._services.write.conninfo)


class ProjectionsController(Controller):
    path = "/api/admin/projections"
    tags = ("Projections",)

    @get("/", operation_id="projections", summary="Where the read tables stand", who=ADMIN)
    async def projections(
        self, services: NamedDependency[Services], rebuilds: NamedDependency[Rebuilds]
    ) -> ProjectionsAnswer:
        return ProjectionsAnswer(data=await _standings(services, rebuilds))

    @post(
        "/{name:str}/rebuild",
        operation_id="rebuildProjection",
        summary="Make the read tables anew, all of them",
        status_code=202,
        who=ADMIN,
    )
    async def rebuild(
        self, name: FromPath[str], services: NamedDependency[Services], rebuilds: NamedDependency[Rebuilds]
    ) -> ProjectionsAnswer:
        """Readers notice nothing: the new ones are made beside the living ones and take their place at once."""
        if name not in {projection.name for projection in all_projections()}:
            raise not_found(f"There is no projection {name!r}.")
        rebuilds.start()
        return ProjectionsAnswer(data=await _standings(services, rebuilds))


async def _standings(services: Services, rebuilds: Rebuilds) -> list[ProjectionView]:
    async with services.read.connection() as db, db.cursor(row_factory=class_row(_Row)) as cursor:
        await cursor.execute(STANDINGS)
        rows = await cursor.fetchall()
    rebuilding = rebuilds.running or services.projector.rebuilding is not None
    return [
        ProjectionView(
            name=row.name,
            position=row.position,
            head=row.head,
            lag=max(0, row.head - row.position),
            state="rebuilding" if rebuilding else "failed" if row.status == "failed" else "live",
            version=row.version,
            error=row.error,
            failed_at_position=row.failed_at_position,
            updated_at=row.updated_at,
        )
        for row in rows
    ]
