"""Why a user sees something or does not: the decision, and the fact that made it so."""

from datetime import datetime
from typing import Annotated
from urllib.parse import urlsplit

from litestar import Controller, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from mcphub.api.auth.accounts import name_digest
from mcphub.api.caller import ADMIN, Caller
from mcphub.api.controllers.audit import Fact, shown_items
from mcphub.api.problems import not_found
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services
from mcphub.api.why import SAID, Asked, Explained, WhyService
from mcphub.domain.access import User
from mcphub.projections.timeline import Timeline


class WhyView(Out, kw_only=True):
    """`reason` is the decision's: `allowed`, or what stands in the way; `said` is the same in words. `since`: the fact
    that made it so, null when it was never otherwise. `missing`: values of the user without which the server lists
    nothing. `at` and `position`: of the state it was decided by.
    """

    allowed: bool
    reason: str
    said: str
    since: Fact | None
    user_id: str
    user_name: str
    server: str
    tool: str
    missing: list[str]
    at: datetime
    position: int


class WhyAnswer(Envelope, kw_only=True):
    data: WhyView


class WhyController(Controller):
    path = "/api/admin/why"
    tags = ("Users",)

    @get("/", operation_id="why", summary="Why a user may, or may not, use a server or a tool, now or then", who=ADMIN)
    async def why(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        why: NamedDependency[WhyService],
        user: Annotated[str, QueryParameter()],
        server: Annotated[str, QueryParameter()],
        tool: Annotated[str, QueryParameter()] = "",
        at: Annotated[str, QueryParameter()] = "",
        key_id: Annotated[str, QueryParameter(name="keyId")] = "",
        url: Annotated[str, QueryParameter()] = "/mcp",
    ) -> WhyAnswer:
        """`user` is an id or a name, `server` a name or slug, `tool` any of its names; `at` a position or a time; `url`
        an address of the hub, or its path. The decision is the gateway's own.
        """
        found = _user(services, user)
        path = urlsplit(url).path.rstrip("/")
        asked = Asked(user_id=found.user_id, server=server, tool=tool, key_id=key_id, url=path)
        explained = await why.explain(asked, at, by=caller.user_id)
        name = (await services.directory.name(found.user_id)).username
        return WhyAnswer(data=await _shown(services, caller, found, name, explained))


async def _shown(services: Services, caller: Caller, user: User, name: str, explained: Explained) -> WhyView:
    since = None
    if explained.why.since:
        item = await Timeline(services.read).fact(explained.why.since, own=None)
        shown = await shown_items(services, caller, [item] if item is not None else [], counted=False)
        since = next((one for one in shown if isinstance(one, Fact)), None)
    subject, reason = explained.subject, explained.why.reason
    return WhyView(
        allowed=reason == "allowed",
        reason=reason,
        said=SAID[reason],
        since=since,
        user_id=user.user_id,
        user_name=name,
        server=subject.server,
        tool=subject.tool,
        missing=list(subject.missing),
        at=explained.moment.at,
        position=explained.moment.position,
    )


def _user(services: Services, text: str) -> User:
    """
    Raises:
        Problem: 404, neither a living user's name nor an id.
    """
    model = services.model
    user = model.users.get(text) or model.users.get(model.user_by_name.get(name_digest(services.vault)(text), ""))
    if user is None:
        raise not_found("There is no such user.")
    return user
