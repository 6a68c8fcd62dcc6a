"""The history of requests, and figures of it: one's own, or everybody's for administrators and auditors."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath, HeaderParameter, QueryParameter
from litestar.response import Stream
from msgspec import UNSET, UnsetType, to_builtins
from msgspec.structs import asdict
from psycopg.rows import class_row

from mcphub.api.auth.accounts import name_digest
from mcphub.api.caller import USER, Caller, Guard
from mcphub.api.incoming import Note
from mcphub.api.notes import note
from mcphub.api.paging import DEFAULT, bad_cursor, size_of
from mcphub.api.problems import auditor_required, invalid, not_found
from mcphub.api.schemas import Envelope, Out, Page
from mcphub.api.services import Services
from mcphub.api.streams import events, stream
from mcphub.domain.vault import Unopenable
from mcphub.gateway.payloads import Payload, opened
from mcphub.gateway.request_id import readable
from mcphub.projections.followed import followed
from mcphub.projections.requests import BadCursor, Filters, Is, RequestRow, Requests, lowest_id

Status = Literal["Pending", "Completed", "Failed", "TimedOut", "Cancelled", "Denied", "Interrupted"]
MOST_LATENCY = 1e9  # milliseconds
OF_OTHERS = {"not_in_audience", "server_disabled"}  # reasons of servers a user may not know of
LONGEST_BUCKET = 366 * 24 * 3600  # seconds


class LeftOutView(Out, kw_only=True):
    """What a list did not show, counted by reason.

    `items` that access hid; `servers` missing as a whole; `stale` servers shown by an older list. How many servers are
    meant for others or switched off is for administrators and auditors.
    """

    items: dict[str, int]
    servers: dict[str, int]
    stale: dict[str, int]


class RequestView(Out, kw_only=True):
    """One request. `hasPayload`: the caller may read what it was called with and what was answered; said of one request
    alone. What only an end knows is null while it runs. `requestId` is what the client was told; `username` is
    who the user is now.
    """

    id: UUID
    request_id: str
    started_at: datetime
    ended_at: datetime | None
    status: str
    user_id: str | None
    username: str | None
    key_id: str | None
    session_id: UUID | None
    server: str | None
    tool: str | None
    method: str | None
    era: str | None
    mode: str | None
    view: str | None
    client_name: str | None
    client_version: str | None
    credential_version: str | None
    ledger_position: int | None
    duration_ms: float | None
    wait_ms: float | None
    upstream_ms: float | None
    bytes_in: int | None
    bytes_out: int | None
    error_code: str | None
    reason: str | None
    shown: int | None
    filtered: int | None
    left_out: LeftOutView | None
    node: str
    has_payload: bool = False


class PayloadView(Out, kw_only=True):
    """Texts of JSON, cut after 16 KiB; the sizes, in bytes, are those before. Null where there was nothing."""

    arguments: str | None
    arguments_bytes: int
    result: str | None
    result_bytes: int


class PayloadAnswer(Envelope, kw_only=True):
    data: PayloadView


class RequestsAnswer(Envelope, kw_only=True):
    data: list[RequestView]
    page: Page


class RequestAnswer(Envelope, kw_only=True):
    data: RequestView


class Figures(Out, kw_only=True):
    """Of one group; those of durations are null when nothing was answered. `user` is an id, `username` their name.

    `errors` and `errorRate` are of what the hub or a server did. `toolErrors` are answers in which a tool reports an
    error of its own.
    """

    user: str | None
    username: str | None
    server: str | None
    tool: str | None
    at: datetime | None
    count: int
    errors: int
    denied: int
    cancelled: int
    error_rate: float
    tool_errors: int
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class OwnFigures(Out, kw_only=True):
    """The caller's own, over everything retained, in milliseconds."""

    total_requests: int
    pending_requests: int
    last_request_time: datetime | None
    average_response_time: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    error_rate: float


class FiguresAnswer(Envelope, kw_only=True):
    """`pending` counts those that are under way now and fit; it is there with `all=true`."""

    data: list[Figures]
    mine: OwnFigures
    pending: int | UnsetType = UNSET


class RequestsController(Controller):
    path = "/api/requests"
    tags = ("Requests",)

    @get("/", operation_id="requests", summary="The request history, newest first", who=USER)
    async def requests(
        self,
        caller: NamedDependency[Caller],
        requests: NamedDependency[Requests],
        services: NamedDependency[Services],
        every: Annotated[bool, QueryParameter(name="all")] = False,
        user: Annotated[str | None, QueryParameter()] = None,
        session: Annotated[UUID | None, QueryParameter()] = None,
        server: Annotated[str | None, QueryParameter()] = None,
        tool: Annotated[str | None, QueryParameter()] = None,
        method: Annotated[str | None, QueryParameter()] = None,
        status: Annotated[Status | None, QueryParameter()] = None,
        from_: Annotated[datetime | None, QueryParameter(name="from")] = None,
        to: Annotated[datetime | None, QueryParameter()] = None,
        latency: Annotated[float | None, QueryParameter()] = None,
        is_: Annotated[Is | None, QueryParameter(name="is")] = None,
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str | None, QueryParameter(name="cursor")] = None,
    ) -> RequestsAnswer:
        """`latency`: milliseconds it took at least; `user`: an id or a name.

        `is`: `error` for what failed and for answers that report an error of the tool, `tool_error` for these alone.
        """
        filters = Filters(
            user=_whose(caller, every, _user(services, user)),
            session=session,
            server=server,
            tool=tool,
            method=method,
            status=status,
            from_=_zoned(from_, "from"),
            to=_zoned(to, "to"),
            latency=_milliseconds(latency),
            is_=is_,
        )
        size = size_of(limit)
        try:
            page = await requests.page(filters, cursor=after, limit=size)
        except BadCursor:
            raise bad_cursor() from None
        return RequestsAnswer(data=await views_of(services, page.rows, caller), page=Page(next=page.next, limit=size))

    @get("/stats", operation_id="requestStats", summary="Counts, error rate and percentiles", who=USER)
    async def stats(
        self,
        caller: NamedDependency[Caller],
        requests: NamedDependency[Requests],
        services: NamedDependency[Services],
        every: Annotated[bool, QueryParameter(name="all")] = False,
        user: Annotated[str | None, QueryParameter()] = None,
        session: Annotated[UUID | None, QueryParameter()] = None,
        server: Annotated[str | None, QueryParameter()] = None,
        tool: Annotated[str | None, QueryParameter()] = None,
        method: Annotated[str | None, QueryParameter()] = None,
        status: Annotated[Status | None, QueryParameter()] = None,
        from_: Annotated[datetime | None, QueryParameter(name="from")] = None,
        to: Annotated[datetime | None, QueryParameter()] = None,
        latency: Annotated[float | None, QueryParameter()] = None,
        is_: Annotated[Is | None, QueryParameter(name="is")] = None,
        by: Annotated[Literal["", "user", "server", "tool", "time"], QueryParameter()] = "",
        bucket: Annotated[int, QueryParameter()] = 3600,
    ) -> FiguresAnswer:
        """Of what ended in the span, by default the last day. `bucket`: seconds, grows until 1,000 cover the span."""
        if not 1 <= bucket <= LONGEST_BUCKET:
            raise invalid("A bucket has 1 second to 366 days.", ("/bucket", "invalid_value", "out of range"))
        filters = Filters(
            user=_whose(caller, every, _user(services, user)),
            session=session,
            server=server,
            tool=tool,
            method=method,
            status=status,
            from_=_zoned(from_, "from"),
            to=_zoned(to, "to"),
            latency=_milliseconds(latency),
            is_=is_,
        )
        found = await requests.stats(filters, by=by, bucket=timedelta(seconds=bucket))
        mine = await requests.of_user(caller.user_id)
        names = await services.directory.names(figures.user for figures in found if figures.user)
        return FiguresAnswer(
            data=[
                Figures(username=names[figures.user].username if figures.user else None, **asdict(figures))
                for figures in found
            ],
            mine=OwnFigures(**asdict(mine)),
            pending=await requests.pending(filters) if every else UNSET,
        )

    @get(
        "/payloads/{request_id:path}",
        operation_id="requestPayload",
        summary="What a call was made with and what was answered, if its server keeps that",
        who=USER,
    )
    async def payload(
        self,
        request_id: FromPath[Path],
        caller: NamedDependency[Caller],
        requests: NamedDependency[Requests],
        services: NamedDependency[Services],
    ) -> PayloadAnswer:
        """One's own, and everybody's for administrators; the access log says when it was somebody else's."""
        row = await requests.one(str(request_id).lstrip("/"), user=_of_whom(caller))
        kept = await _payload(services, row.request_id) if row is not None else None
        if kept is None:
            raise not_found("There is no such request, or nothing of it was kept.")
        try:
            arguments, result = await asyncio.to_thread(opened, services.vault, kept)
        except Unopenable:
            raise not_found("There is no such request, or nothing of it was kept.") from None
        if kept.user_id != caller.user_id:
            note(Note(action="export", actor=caller.user_id, subject=kept.user_id))
        return PayloadAnswer(
            data=PayloadView(
                arguments=arguments if kept.arguments_bytes is not None else None,
                arguments_bytes=kept.arguments_bytes or 0,
                result=result if kept.result_bytes is not None else None,
                result_bytes=kept.result_bytes or 0,
            )
        )

    @get(
        "/stream",
        operation_id="ownRequestStream",
        summary="The caller's own requests as they begin and as they end, as server-sent events",
        media_type="text/event-stream",
        who=USER,
    )
    async def follow(
        self,
        caller: NamedDependency[Caller],
        requests: NamedDependency[Requests],
        services: NamedDependency[Services],
        guard: NamedDependency[Guard],
        from_: Annotated[datetime | None, QueryParameter(name="from")] = None,
        last: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    ) -> Stream:
        """Each event is a request as the list has it, while it runs and again when it has ended.

        `from`: those that came in since then, by default from now on. With `Last-Event-ID` it goes on where it broke;
        the last seconds before are sent again.
        """
        now = datetime.now(UTC)
        try:
            begin = UUID(hex=last) if last else lowest_id(_zoned(from_, "from") or now)
        except ValueError:
            raise bad_cursor() from None
        begin = min(begin, lowest_id(now))  # what nobody gave out yet would be waited for without an end
        source = events(_following(services, requests, caller, begin), lambda: guard.still(caller))
        return stream(services.streams.one_more(caller.user_id, source))

    # The readable form holds the method's own slash.
    @get("/{request_id:path}", operation_id="request", summary="One request, by either form of its id", who=USER)
    async def request_of(
        self,
        request_id: FromPath[Path],
        caller: NamedDependency[Caller],
        requests: NamedDependency[Requests],
        services: NamedDependency[Services],
    ) -> RequestAnswer:
        row = await requests.one(str(request_id).lstrip("/"), user=None if caller.reads_all else caller.user_id)
        if row is None:
            raise not_found("There is no such request.")
        (view,) = await views_of(services, [row], caller)
        if _of_whom(caller) in (None, row.user_id):
            view.has_payload = await _payload(services, row.request_id) is not None
        return RequestAnswer(data=view)


async def _following(
    services: Services, requests: Requests, caller: Caller, begin: UUID
) -> AsyncIterator[dict[str, Any]]:
    async for place, row in followed(requests, caller.user_id, begin):
        (view,) = await views_of(services, [row], caller)
        yield {"n": place.hex, **to_builtins(view)}


def _of_whom(caller: Caller) -> str | None:
    """Whose payloads the caller may read: an auditor reads that somebody called, not with what. None is everybody's."""
    return None if caller.admin else caller.user_id


async def _payload(services: Services, request_id: UUID) -> Payload | None:
    async with services.read.connection() as db, db.cursor(row_factory=class_row(Payload)) as cursor:
        await cursor.execute("select * from public.request_payload where request_id = %s", (request_id,))
        kept: Payload | None = await cursor.fetchone()
        return kept


def _user(services: Services, user: str | None) -> str | None:
    """The id of who is meant by an id or a name; what is neither stays, and finds nothing."""
    if user is None or user in services.model.users:
        return user
    return services.model.user_by_name.get(name_digest(services.vault)(user), user)


def _whose(caller: Caller, every: bool, user: str | None) -> str | None:
    """
    Raises:
        Problem: somebody else's are asked for, by neither an administrator nor an auditor.
    """
    if (every or user not in (None, caller.user_id)) and not caller.reads_all:
        raise auditor_required()
    return user if every or user is not None else caller.user_id


def _milliseconds(latency: float | None) -> float | None:
    if latency is not None and not 0 <= latency <= MOST_LATENCY:
        raise invalid("A latency is a number of milliseconds.", ("/latency", "invalid_value", "out of range"))
    return None if latency is None else round(latency, 3)


def _zoned(at: datetime | None, name: str) -> datetime | None:
    if at is not None and at.tzinfo is None:
        raise invalid("A time says its zone.", (f"/{name}", "invalid_value", "write it as 2026-01-31T12:00:00Z"))
    return at


async def views_of(services: Services, rows: Sequence[RequestRow], caller: Caller) -> list[RequestView]:
    """As the caller may see them."""
    names = await services.directory.names(row.user_id for row in rows if row.user_id)
    return [_view(row, caller, names[row.user_id].username if row.user_id else None) for row in rows]


def _view(row: RequestRow, caller: Caller, username: str | None) -> RequestView:
    session = str(row.session_id) if row.session_id is not None else ""
    told = readable(row.request_id, row.user_id or "", session, row.method or "")
    fields = asdict(row)
    if (left_out := row.left_out) is not None:
        servers = {
            reason: count for reason, count in left_out.servers.items() if caller.reads_all or reason not in OF_OTHERS
        }
        fields["left_out"] = LeftOutView(items=dict(left_out.items), servers=servers, stale=dict(left_out.stale))
    return RequestView(id=fields.pop("request_id"), request_id=told, username=username, **fields)
