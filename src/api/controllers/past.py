"""Time travel: what there was, what changed between two times, and who could have used what."""

from typing import Annotated, Literal

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from mcphub.api.caller import AUDITOR, USER, Caller
from mcphub.api.paging import DEFAULT, bad_cursor, size_of
from mcphub.api.past import Part, Past, differing, entitled_then, part
from mcphub.api.past_views import (
    MomentView,
    PastDiff,
    PastState,
    SectionName,
    WhoCould,
    diff_view,
    holds,
    moment_view,
    owners,
    state_view,
    who_view,
)
from mcphub.api.problems import not_found
from mcphub.api.schemas import Envelope, Page
from mcphub.api.services import Services
from mcphub.domain.access import AccessModel
from mcphub.domain.state import SECTIONS


class MomentAnswer(Envelope, kw_only=True):
    data: MomentView


class PastStateAnswer(Envelope, kw_only=True):
    data: PastState
    page: Page


class PastDiffAnswer(Envelope, kw_only=True):
    data: PastDiff
    page: Page


class WhoCouldAnswer(Envelope, kw_only=True):
    data: WhoCould
    page: Page


At = Annotated[str, QueryParameter()]


class PastController(Controller):
    path = "/api/audit"
    tags = ("Audit",)

    @get("/moment", operation_id="moment", summary="Which fact a time stands behind", who=USER)
    async def moment(self, past: NamedDependency[Past], at: At = "") -> MomentAnswer:
        """`at` is a position, also as #310, or a time with its zone; without it, now."""
        return MomentAnswer(data=moment_view(await past.moment(at)))

    @get("/state", operation_id="stateThen", summary="What there was; a user sees what was their own", who=USER)
    async def state(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        past: NamedDependency[Past],
        at: At = "",
        section: Annotated[list[SectionName] | None, QueryParameter()] = None,
        user: Annotated[str, QueryParameter()] = "",
        q: Annotated[str, QueryParameter()] = "",
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> PastStateAnswer:
        """`section` may come several times; one alone can be read page by page. `user` is an id; `q` is looked for in
        names.
        """
        begin, size = offset(after), size_of(limit)
        when, sections = await past.moment(at), list(dict.fromkeys(section or SECTIONS))
        owner = user if caller.reads_all else caller.user_id
        named = await services.directory.search(q) if q else set()
        gone = past.gone()
        matches = (lambda thing: holds(thing, q.casefold(), named)) if q else None

        def question(model: AccessModel) -> dict[str, Part]:
            return {
                name: part(model, when.at, name, owner=owner, gone=gone, matches=matches, begin=begin, size=size)
                for name in sections
            }

        parts = await past.ask(caller.user_id, [when], question)
        names = await services.directory.names(owners(thing for one in parts.values() for thing in one.things))
        out = state_view(when, parts, names)
        alone = parts[sections[0]] if len(sections) == 1 else None
        more = alone is not None and begin + size < alone.count
        return PastStateAnswer(data=out, page=Page(next=str(begin + size) if more else None, limit=size))

    @get(
        "/diff",
        operation_id="diffBetween",
        summary="What changed between two times; a user sees what was their own",
        who=USER,
    )
    async def diff(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        past: NamedDependency[Past],
        from_: Annotated[str, QueryParameter(name="from")],
        to: At = "",
        section: Annotated[list[SectionName] | None, QueryParameter()] = None,
        user: Annotated[str, QueryParameter()] = "",
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> PastDiffAnswer:
        """`from` and `to` are written like `at` of a state; without `to`, until now. A later page names the position
        that `to` came to. What expired meanwhile is a change as well.
        """
        begin, size = offset(after), size_of(limit)
        first, last = await past.moment(from_, "/from"), await past.moment(to, "/to")
        owner = user if caller.reads_all else caller.user_id
        gone = past.gone()
        found = await past.ask(
            caller.user_id,
            [first, last],
            lambda before, now: differing(
                before,
                now,
                then=first.at,
                at=last.at,
                sections=section or (),
                owner=owner,
                gone=gone,
                begin=begin,
                size=size,
            ),
        )
        names = await services.directory.names(owners(change.after or change.before or {} for change in found.changes))
        more = begin + size < found.counts.total()
        return PastDiffAnswer(
            data=diff_view(first, last, found, names),
            page=Page(next=str(begin + size) if more else None, limit=size),
        )

    @get("/who-could", operation_id="whoCould", summary="Who could have used a server, or a tool of it", who=AUDITOR)
    async def who_could(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        past: NamedDependency[Past],
        server: Annotated[str, QueryParameter()],
        tool: Annotated[str, QueryParameter()] = "",
        at: At = "",
        which: Annotated[Literal["could", "all"], QueryParameter()] = "could",
        q: Annotated[str, QueryParameter()] = "",
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> WhoCouldAnswer:
        """`server` is a name or a slug of then, `tool` the server's own name of it; `which=all` also shows those who
        could not, and why. `q` is part of a user's name of now; `reasons` counts everybody all the same.
        """
        begin, size = offset(after), size_of(limit)
        when = await past.moment(at)
        found = await past.ask(caller.user_id, [when], lambda model: entitled_then(model, server, tool, when.at))
        if found is None:
            raise not_found("There was no such server at that time.")
        there, recorded, everybody = found
        named = await services.directory.search(q) if q else None
        wanted = [one for one in everybody if (which == "all" or one.could) and (named is None or one.user_id in named)]
        page = wanted[begin : begin + size]
        names = await services.directory.names(one.user_id for one in page)
        return WhoCouldAnswer(
            data=who_view(when, there, tool, recorded, everybody, page, names, past.gone()),
            page=Page(next=str(begin + size) if begin + size < len(wanted) else None, limit=size),
        )


def offset(cursor: str) -> int:
    """How many a page leaves out before it: the past does not move, so its pages may be counted.

    Raises:
        Problem: the cursor is not one that a page gave out.
    """
    if not cursor:
        return 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) < 10):
        raise bad_cursor()
    return int(cursor)
