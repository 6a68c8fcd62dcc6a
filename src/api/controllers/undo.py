"""Undo: what taking a fact back would record and mean for whom, and doing it by a new fact."""

import asyncio
from datetime import UTC, datetime

from litestar import Controller, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec.json import encode

from mcphub.api.caller import ADMIN, Caller
from mcphub.api.controllers.audit import Fact, shown_items
from mcphub.api.literals import policy_of
from mcphub.api.problems import not_found
from mcphub.api.rehearsal import Affected, Rehearsal
from mcphub.api.schemas import Envelope, Out, Schema
from mcphub.api.services import Services
from mcphub.api.undo import Plan, Undo, UnknownFact
from mcphub.domain.actor import acting, current, named
from mcphub.domain.codec import encode as encode_event
from mcphub.domain.errors import NotUndoable, Outdated, PreviewOutdated, Refused
from mcphub.domain.events import about
from mcphub.domain.hub import Command
from mcphub.projections.timeline import FactItem


class WhyNot(Out, kw_only=True):
    """Why a fact is not taken back; `position` is of the fact that stands in the way, 0 for none."""

    code: str
    detail: str
    remedy: str
    position: int


class UndoPreview(Out, kw_only=True):
    """What undoing a fact would record, as facts without a position, and whom it would affect; or why it is not to be.

    `seen` is where the ledger stood: send it back to undo exactly this.
    """

    seen: int
    refused: WhyNot | None
    facts: list[Fact]
    affected: Affected | None


class UndoPreviewAnswer(Envelope, kw_only=True):
    data: UndoPreview


class UndoRequest(Schema, kw_only=True):
    """`seen`: of the preview."""

    seen: int


class Undone(Out, kw_only=True):
    """The fact that was taken back; `position` of the answer is that of the new one."""

    undoes: int


class UndoneAnswer(Envelope, kw_only=True):
    data: Undone


class UndoController(Controller):
    path = "/api/audit"
    tags = ("Audit",)

    @get("/{position:int}/undo", operation_id="previewUndo", summary="What undoing a fact would change", who=ADMIN)
    async def preview(
        self,
        position: FromPath[int],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        undo: NamedDependency[Undo],
        rehearsal: NamedDependency[Rehearsal],
    ) -> UndoPreviewAnswer:
        """Nothing is recorded. What cannot be undone says why."""
        seen = await rehearsal.head()
        try:
            plan = await _plan(services, caller, undo, position)
            command = await asyncio.to_thread(services.hub.rehearse, plan.build)
        except Refused as refused:
            return UndoPreviewAnswer(data=UndoPreview(seen=seen, refused=_why_not(refused), facts=[], affected=None))
        shown = await shown_items(services, caller, _items(command, plan), counted=False)
        return UndoPreviewAnswer(
            data=UndoPreview(
                seen=seen,
                refused=None,
                facts=[one for one in shown if isinstance(one, Fact)],
                affected=await rehearsal.affected(command.new_decisions, seen),
            )
        )

    @post(
        "/{position:int}/undo",
        operation_id="undoFact",
        summary="Take a fact back by a new one",
        status_code=200,
        who=ADMIN,
    )
    async def undo_fact(
        self,
        position: FromPath[int],
        data: JSONBody[UndoRequest],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        undo: NamedDependency[Undo],
    ) -> UndoneAnswer:
        """By the ordinary command that makes the opposite, in the caller's name; what is recorded names the fact as its
        cause. 409 when something was changed since the preview.
        """
        plan = await _plan(services, caller, undo, position)
        if data.seen > services.model.position or await undo.outdated(data.seen):
            raise PreviewOutdated(data.seen)
        with acting(plan.meta(current())):
            try:
                done = await services.commands.run(plan.build, if_match=data.seen)
            except Outdated:
                raise PreviewOutdated(data.seen) from None
        return UndoneAnswer(data=Undone(undoes=position), position=done.position)


async def _plan(services: Services, caller: Caller, undo: Undo, position: int) -> Plan:
    try:
        fact = await undo.fact(position)
    except UnknownFact:
        raise not_found("There is no such fact.") from None
    return await undo.plan(fact, caller.user_id, policy_of(services))


def _why_not(refused: Refused) -> WhyNot:
    position = refused.position if isinstance(refused, NotUndoable) else 0
    return WhyNot(code=refused.code, detail=str(refused), remedy=refused.remedy, position=position)


def _items(command: Command, plan: Plan) -> list[FactItem]:
    """What would be recorded, as the timeline has facts."""
    meta = named(plan.meta(current()), type(command).__name__)
    now = datetime.now(UTC)
    return [
        FactItem(
            position=0,
            at=now,
            type=type(tagged.decision).__name__,
            actor=meta.actor,
            user_id=about(tagged.decision),
            tags=sorted(tagged.tags),
            data=encode_event(tagged.decision).decode(),
            meta=encode(meta).decode(),
        )
        for tagged in command.new_decisions
    ]
