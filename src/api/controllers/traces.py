"""All that came of one cause: the request, its commands, their facts, what those caused, and the call to a server."""

from datetime import datetime
from pathlib import Path

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from mcphub.api.caller import USER, Caller
from mcphub.api.controllers.audit import Access, Fact, shown_items
from mcphub.api.controllers.requests import RequestView, views_of
from mcphub.api.problems import not_found
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services
from mcphub.projections.requests import Requests
from mcphub.projections.timeline import Timeline, began_at


class TraceView(Out, kw_only=True):
    """`facts` are those of the cause and all that they caused, oldest first, as `causationId` says.

    `before` are facts of other causes that caused some of them, `access` what the access log says of the request, and
    `call` the request of a client, when the id is that of one. `startedAt` is when the request came in, else the first
    fact's time.
    """

    id: str
    started_at: datetime
    facts: list[Fact]
    before: list[Fact]
    access: list[Access]
    call: RequestView | None


class TraceAnswer(Envelope, kw_only=True):
    data: TraceView


class TracesController(Controller):
    path = "/api/audit/traces"
    tags = ("Audit",)

    # A request's readable id holds the method's own slash.
    @get("/{trace_id:path}", operation_id="trace", summary="All that came of one cause", who=USER)
    async def trace(
        self,
        trace_id: FromPath[Path],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        requests: NamedDependency[Requests],
    ) -> TraceAnswer:
        """`trace_id`: the `trace` of a fact, or the id of a client's request. A user sees what concerns them."""
        wanted, own = str(trace_id).lstrip("/"), None if caller.reads_all else caller.user_id
        found = await Timeline(services.read).trace(wanted, own=own)
        row = await requests.one(wanted, user=own)
        shown = await shown_items(services, caller, [*found.before, *found.facts, *found.access])
        facts = [item for item in shown if isinstance(item, Fact)]
        access = [item for item in shown if isinstance(item, Access)]
        if row is None and len(facts) == len(found.before) and not access:
            raise not_found("There is no such trace.")
        began = began_at(wanted)
        times = [fact.at for fact in facts[len(found.before) :]] + [item.at for item in access]
        return TraceAnswer(
            data=TraceView(
                id=wanted,
                started_at=row.started_at if row is not None else min([*([began] if began else []), *times]),
                facts=facts[len(found.before) :],
                before=facts[: len(found.before)],
                access=access,
                call=(await views_of(services, [row], caller))[0] if row is not None else None,
            )
        )
