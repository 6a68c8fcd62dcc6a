"""What a client of a user would see at an address, and why something is hidden: by the decision the gateway takes."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from msgspec import UNSET, Struct, UnsetType
from psycopg_pool import AsyncConnectionPool

from mcphub.api.past import Past
from mcphub.api.problems import Problem, not_found
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services
from mcphub.api.tool_changes import definitions_at
from mcphub.domain.access import AccessModel, Capability, Principal, User, View, decide
from mcphub.domain.audience import Audience
from mcphub.domain.entitlement import missing_values, recorded_tools
from mcphub.domain.settings_state import ServerState
from mcphub.gateway.addresses import view_of
from mcphub.gateway.exposure import Asked, Shown, UnknownMode, asked_in, choice, pinned, settled
from mcphub.gateway.facade import Tool
from mcphub.gateway.meta_tools import DEFINITIONS
from mcphub.gateway.server_tools import tool_name


class VisibleTool(Out, kw_only=True):
    """`exposedName` is what a call at this address names it by.

    `definition`, where it is asked for: what the list of an earlier time said of it, of visible tools alone. Null where
    the record has no more of it than a hash.
    """

    name: str
    exposed_name: str
    reason: str
    definition: dict[str, Any] | UnsetType | None = UNSET


class VisibleServer(Out, kw_only=True):
    """`reason` is `allowed`, or why the server is hidden. Tools as far as they were listed to the user.

    `detail` is for administrators: whom a server is for that is `not_in_audience`. `missing` are variables the user has
    no value for, without which the server lists nothing.
    """

    server: str
    reason: str
    detail: str | UnsetType = UNSET
    missing: list[str]
    tools: list[VisibleTool]


class Access(Out, kw_only=True):
    """`found` is false where a client would get 404; `listed` are the names of `tools/list` as they are sent."""

    url: str
    mode: Shown
    found: bool
    listed: list[str]
    servers: list[VisibleServer]


class AccessAnswer(Envelope, kw_only=True):
    data: Access


async def access(
    services: Services, past: Past, asked: "Question", at: str, *, by: str, definitions: bool = False
) -> Access:
    """
    Args:
        at: a position or a time, else as it is now.
        by: who asks.
        definitions: of an earlier time with what its list said of each visible tool.

    Raises:
        Problem: see `Question`; 404 also when there was no such user yet, 422 when there is no such time.
    """
    if not at:
        return access_now(services, asked)
    when = await past.moment(at)

    def question(model: AccessModel) -> tuple[Access, dict[int, list[Said]]]:
        found = access_then(model, when.at, asked)
        return found, said_then(model, found) if definitions else {}

    found, said = await past.ask(by, [when], question)
    await fill_in(services.read, said)
    return found


def access_now(services: Services, asked: "Question") -> Access:
    """Of the lists that servers gave to the user."""
    return asked.answer(
        services.model,
        datetime.now(UTC),
        services.gateway.view_of,
        lambda server: services.gateway.known_tools(asked.user_id, server.server_id) or [],
    )


def access_then(model: AccessModel, at: datetime, asked: "Question") -> Access:
    """Of the tools that were on the record, which are listed to whoever has the values that a server needs."""
    if asked.user_id not in model.users:
        raise not_found("There was no such user at that time.")
    return asked.answer(
        model,
        at,
        lambda path, principal: view_of(model, path, principal, at),
        lambda server: [
            Tool(one.name, one.exposed, b"", hash=one.hash, shown_name=one.shown if one.shown != one.name else None)
            for one in recorded_tools(model, server)
        ],
        recorded=True,
    )


class Said(NamedTuple):
    """A visible tool, and the description an administrator had given it; None for its server's own."""

    tool: VisibleTool
    description: str | None


def said_then(model: AccessModel, found: Access) -> dict[int, list[Said]]:
    """Visible tools by the position of the fact that holds what their server said of them then."""
    places: dict[int, list[Said]] = {}
    for shown in found.servers:
        server = model.settings.by_name(shown.server) if shown.reason == "allowed" else None
        if server is None or shown.missing:
            continue
        recorded = {one.name: one.position for one in recorded_tools(model, server)}
        for tool in shown.tools:
            if tool.reason == "allowed":
                description = server.override("tools", tool.name).get("description")
                said = Said(tool, description if isinstance(description, str) else None)
                places.setdefault(recorded[tool.name], []).append(said)
    return places


async def fill_in(pool: AsyncConnectionPool[Any], said: Mapping[int, list[Said]]) -> None:
    """The definitions, which only the ledger holds, under the names of then."""
    if not said:
        return
    recorded = await definitions_at(pool, said)
    for position, tools in said.items():
        for tool, description in tools:
            definition = recorded.get(position)
            if definition is not None:
                definition = {**definition, "name": tool.exposed_name}
                if description is not None:
                    definition["description"] = description
            tool.definition = definition


class Question(Struct, frozen=True, kw_only=True):
    """What would a client of a user see at an address?

    Args:
        url: an address of the hub, whole or only its path.
        whole: also name servers that are not meant for the user.
        groups: ids of groups of the user, with commas between: as if only these were active.
        key_id: of a key of the user that the client comes with; '' for one without a scope.
    """

    user_id: str
    url: str
    whole: bool = True
    groups: str | None = None
    key_id: str = ""

    def answer(
        self,
        model: AccessModel,
        at: datetime,
        behind: Callable[[str, Principal], View | None],
        tools_of: Callable[[ServerState], Iterable[Tool]],
        *,
        recorded: bool = False,
    ) -> Access:
        """
        Args:
            behind: what a principal finds at a path of the gateway.
            tools_of: what a server lists to the user.
            recorded: the tools are those on the record, and no list that the user was given.

        Raises:
            Problem: 404, the user has no such group or key; 422, the address is none, or asks for a mode that is not
                there.
        """
        as_if = None if self.groups is None else frozenset(filter(None, self.groups.split(",")))
        if as_if is not None and not as_if <= set(model.groups_of.get(self.user_id, {})):
            raise not_found("There is no such group.")
        if self.key_id and self.key_id not in model.keys_of.get(self.user_id, {}):
            raise not_found("There is no such key.")
        (path, asked), principal = _address(self.url), Principal(self.user_id, self.key_id)
        at_mcp = path == "/mcp" or path.startswith("/mcp/")
        view = behind(path.rstrip("/"), principal) if at_mcp else None
        shown = Access(url=path, mode="tools", found=view is not None, listed=[], servers=[])
        if view is None:
            return shown
        chosen = choice(model, principal, view, asked)
        sent: dict[str, list[str]] = {}  # slug → names of the visible tools
        for server_id, reason in model.reasons(principal, view, at, as_if).items():
            server = model.servers[server_id]
            if not (self.whole or model.entitled(self.user_id, server)):
                continue
            seen = Seen(model, principal, server_id, view, at, as_if, verbatim=chosen == "verbatim")
            views = [seen.tool(tool) for tool in tools_of(server)]
            barred = self.whole and reason == "not_in_audience"
            missing = list(missing_values(model, self.user_id, server))
            shown.servers.append(
                VisibleServer(
                    server=server.name,
                    reason=reason,
                    detail=_whom_for(model.users[self.user_id], server.audience) if barred else UNSET,
                    missing=missing if reason == "allowed" else [],
                    tools=views,
                )
            )
            allowed = [tool.exposed_name for tool in views if tool.reason == "allowed"]
            sent[server.slug] = [] if recorded and missing else allowed
        shown.mode = settled(model, chosen, sum(map(len, sent.values())), sum(map(bool, sent.values())))
        if shown.mode == "search":
            every = {name for names in sent.values() for name in names}
            shown.listed = [name for name, _ in DEFINITIONS]
            shown.listed += [name for name in pinned(model, principal) if name in every]
        elif shown.mode == "servers":
            shown.listed = [tool_name(slug) for slug in sorted(sent) if sent[slug]]
        else:
            shown.listed = [name for slug in sorted(sent) for name in sent[slug]]
        return shown


def _whom_for(user: User, audience: Audience) -> str:
    unknown = bool(audience.memberships) and not user.memberships
    return f"for {audience.described()}" + ("; the user is not known to belong to anything" if unknown else "")


def _address(url: str) -> tuple[str, Asked]:
    try:
        found = urlsplit(url)
        return found.path, asked_in(found.query.encode("utf-8", "replace"), found.path)
    except UnknownMode as unknown:
        raise Problem(422, unknown.code, str(unknown), "Name one of the modes, or leave `mode` out.") from None
    except ValueError:
        raise Problem(422, "invalid_request", "The url is none.", "Give an address of this hub's /mcp.") from None


class Seen(NamedTuple):
    """A server's tools as somebody sees them at an address."""

    model: AccessModel
    principal: Principal
    server_id: str
    view: View
    now: datetime
    as_if: frozenset[str] | None
    verbatim: bool

    def tool(self, tool: Tool) -> VisibleTool:
        capability = Capability(self.server_id, name=tool.name, definition=tool.hash)
        decision = decide(self.model, self.principal, capability, self.now, self.view, self.as_if)
        name = (tool.shown_name or tool.name) if self.verbatim else tool.exposed_name
        return VisibleTool(name=tool.name, exposed_name=name, reason=decision.reason)
