"""Where the read tables stand, making them anew, and whether a rebuild would give the same."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Literal

from litestar import Controller, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import to_builtins
from msgspec.structs import asdict
from psycopg.rows import class_row

from mcphub.api.caller import ADMIN, Caller, Guard
from mcphub.api.problems import Problem, not_found
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services
from mcphub.api.streams import events, stream
from mcphub.api.table_work import Checked, Kind, TableWork, Work
from mcphub.projections.table_states import (
    PARKED_AGAIN,
    TABLE_STATES,
    Pace,
    TableState,
    known_names,
    waits_for_rebuild,
)

LOOK_SECONDS = 0.5  # between two looks at what a stream shows

State = Literal["live", "catching_up", "failed", "rebuilding", "outdated"]


class ParkedAt(Out, kw_only=True):
    """The event a table cannot take."""

    position: int
    type: str
    recorded_at: datetime


class CheckedView(Out, kw_only=True):
    """What the last comparison of this hub found; `checksum` is of the table as it was at that position."""

    at: datetime
    position: int
    checksum: str
    equal: bool


class ProjectionView(Out, kw_only=True):
    """`lag` in events, `lateSeconds` since the oldest of them was recorded, `rate` in events a second of late.

    `error` and `failedAtPosition` name the event it cannot take. It goes on by a retry or a rebuild; none is left out.
    """

    name: str
    position: int
    head: int
    lag: int
    late_seconds: float
    rate: float
    state: State
    version: int
    bytes: int
    error: str | None
    failed_at_position: int | None
    failed_at: ParkedAt | None
    checked: CheckedView | None
    updated_at: datetime


class WorkView(Out, kw_only=True):
    """A rebuild or a check of all tables. `secondsLeft` is null while nothing is known of it; `error` empty unless it
    failed.
    """

    kind: Literal["rebuild", "check"]
    running: bool
    position: int
    head: int
    rate: float
    seconds_left: float | None
    started_at: datetime
    ended_at: datetime | None
    error: str


class ProjectionsAnswer(Envelope, kw_only=True):
    """`work` is what runs on the tables, or ran last; null when nothing did since the hub started."""

    data: list[ProjectionView]
    work: WorkView | None


class ProjectionAnswer(Envelope, kw_only=True):
    data: ProjectionView
    work: WorkView | None


class Tables:
    """What the handlers ask of the read tables and of the work on them."""

    def __init__(self, services: Services, work: TableWork) -> None:
        self._services = services
        self._work = work

    async def answer(self, pace: Pace | None = None) -> ProjectionsAnswer:
        """
        Args:
            pace: of whoever looks again and again; a single look knows none.
        """
        async with self._services.read.connection() as db, db.cursor(row_factory=class_row(TableState)) as cursor:
            await cursor.execute(TABLE_STATES)
            states = await cursor.fetchall()
        now, outdated = time.monotonic(), waits_for_rebuild(states)
        work = self._work.work
        return ProjectionsAnswer(
            data=[
                _view(
                    state,
                    outdated=state.name in outdated,
                    rate=pace.look(state.name, state.position, now) if pace is not None else 0.0,
                    checked=self._work.checked.get(state.name),
                )
                for state in states
            ],
            work=None if work is None else _work_view(work),
        )

    async def followed(self) -> AsyncIterator[dict[str, Any]]:
        """The answer, and each other one that comes."""
        pace, before = Pace(), None
        while True:
            answer = await self.answer(pace)
            if answer != before:
                yield {"data": to_builtins(answer.data), "work": to_builtins(answer.work)}
                before = answer
            await asyncio.sleep(LOOK_SECONDS)

    async def begin(self, kind: Kind, name: str) -> ProjectionsAnswer:
        """
        Raises:
            Problem: 404, there is no such table; 409, something runs already.
        """
        _must_be_known(name)
        self._work.start(kind)
        return await self.answer()

    async def retry(self, name: str) -> ProjectionsAnswer:
        """
        Raises:
            Problem: 404, there is no such table; 409, it is not parked.
        """
        _must_be_known(name)
        if not await asyncio.to_thread(self._parked_again, name):
            raise Problem(409, "not_parked", f"The table {name} is not parked.", "There is nothing to try again.")
        self._services.projector.wake()
        return await self.answer()

    def _parked_again(self, name: str) -> bool:
        with self._services.write.connection() as db:
            return bool(db.execute(PARKED_AGAIN, (name,)).rowcount)


async def tables(services: NamedDependency[Services], table_work: NamedDependency[TableWork]) -> Tables:
    return Tables(services, table_work)


class ProjectionsController(Controller):
    path = "/api/admin/projections"
    tags = ("Projections",)
    dependencies = {"tables": Provide(tables)}  # noqa: RUF012  litestar reads it

    @get("/", operation_id="projections", summary="Where the read tables stand", who=ADMIN)
    async def projections(self, tables: NamedDependency[Tables]) -> ProjectionsAnswer:
        return await tables.answer()

    @get(
        "/stream",
        operation_id="projectionStream",
        summary="The same, whenever it is something else, as server-sent events",
        media_type="text/event-stream",
        who=ADMIN,
    )
    async def follow(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        tables: NamedDependency[Tables],
        guard: NamedDependency[Guard],
    ) -> Stream:
        """Each event is the whole answer: `{data: […], work: …}`; the first one comes at once."""
        source = events(tables.followed(), lambda: guard.still(caller))
        return stream(services.streams.one_more(caller.user_id, source))

    @get("/{name:str}", operation_id="projection", summary="Where one of them stands", who=ADMIN)
    async def projection(self, name: FromPath[str], tables: NamedDependency[Tables]) -> ProjectionAnswer:
        answer = await tables.answer()
        for view in answer.data:
            if view.name == name:
                return ProjectionAnswer(data=view, work=answer.work)
        raise _no_such(name)

    @post(
        "/{name:str}/rebuild",
        operation_id="rebuildProjection",
        summary="Make the read tables anew, all of them",
        status_code=202,
        who=ADMIN,
    )
    async def rebuild(self, name: FromPath[str], tables: NamedDependency[Tables]) -> ProjectionsAnswer:
        """Readers notice nothing: the new ones are made beside the living ones and take their place at once."""
        return await tables.begin("rebuild", name)

    @post(
        "/{name:str}/check",
        operation_id="checkProjection",
        summary="Compare the read tables with what a rebuild would make, all of them",
        status_code=202,
        who=ADMIN,
    )
    async def check(self, name: FromPath[str], tables: NamedDependency[Tables]) -> ProjectionsAnswer:
        """Nothing is swapped and nobody waits; `checked` of each table says what was found."""
        return await tables.begin("check", name)

    @post(
        "/{name:str}/retry",
        operation_id="retryProjection",
        summary="Let a parked read table try its event again",
        status_code=202,
        who=ADMIN,
    )
    async def retry(self, name: FromPath[str], tables: NamedDependency[Tables]) -> ProjectionsAnswer:
        return await tables.retry(name)


def _no_such(name: str) -> Problem:
    return not_found(f"There is no projection {name!r}.")


def _must_be_known(name: str) -> None:
    if name not in known_names():
        raise _no_such(name)


def _view(state: TableState, *, outdated: bool, rate: float, checked: Checked | None) -> ProjectionView:
    parked = None
    if state.failed_at is not None and state.failed_type is not None and state.failed_recorded_at is not None:
        parked = ParkedAt(position=state.failed_at, type=state.failed_type, recorded_at=state.failed_recorded_at)
    return ProjectionView(
        name=state.name,
        position=state.position,
        head=state.head,
        lag=state.lag,
        late_seconds=round(state.late_s, 1),
        rate=round(rate, 1),
        state=_state(state, outdated=outdated),
        version=state.version,
        bytes=state.bytes,
        error=state.error,
        failed_at_position=state.failed_at,
        failed_at=parked,
        checked=None
        if checked is None
        else CheckedView(at=checked.at, position=checked.position, checksum=checked.digest, equal=checked.equal),
        updated_at=state.updated_at,
    )


def _state(state: TableState, *, outdated: bool) -> State:
    if state.rebuilding:
        return "rebuilding"
    if state.status == "failed":
        return "failed"
    if outdated:
        return "outdated"
    return "catching_up" if state.lag else "live"


def _work_view(work: Work) -> WorkView:
    fields = asdict(work)
    pace = fields.pop("pace")
    running = work.ended_at is None
    left = (work.head - work.position) / pace if running and pace else None
    return WorkView(running=running, rate=round(pace, 1), seconds_left=left, **fields)
