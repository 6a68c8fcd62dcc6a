"""Servers, their tools and their variables, as one caller may see them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from mcphub.api.caller import Caller
from mcphub.api.schemas import Out, Schema
from mcphub.api.services import Services
from mcphub.domain.access import Principal, visible_servers
from mcphub.domain.audience import EVERYONE
from mcphub.domain.entitlement import missing_values
from mcphub.domain.hub_variables import named_in
from mcphub.domain.literal_secrets import masked
from mcphub.domain.names import exposed_name
from mcphub.domain.settings_file import objects
from mcphub.domain.settings_state import ServerState
from mcphub.gateway import facade
from mcphub.gateway.upstream.runtime import ServerStatus

Status = Literal["connected", "connecting", "disconnected", "disabled", "error", "needs_setup"]

STATES: dict[str, Status] = {
    "idle": "disconnected",
    "connecting": "connecting",
    "connected": "connected",
    "error": "error",
}
ADDED = "select server_id, added_at from servers where server_id = any(%s)"


class ToolView(Out, kw_only=True):
    """A tool; `exposedName` is its name where many servers share one address, `displayName` the one at its server's
    own address where that is another than `name`, which is its server's.

    `quarantined`: what the server says of it waits for an administrator, who alone is shown it. `firstSeen` and
    `changedAt` are null until its list is on the record.
    """

    name: str
    exposed_name: str
    display_name: str | UnsetType = UNSET
    description: str
    original_description: str | UnsetType = UNSET
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | UnsetType = UNSET
    annotations: dict[str, Any] | UnsetType = UNSET
    enabled: bool
    state: Literal["active", "quarantined"]
    first_seen: datetime | None
    changed_at: datetime | None
    server: str


class SlotView(Out, kw_only=True):
    """A variable a server asks its users for."""

    name: str
    canonical: str
    label: str
    description: str
    help_url: str | UnsetType = UNSET
    placeholder: str
    required: bool
    secret: bool
    pattern: str | UnsetType = UNSET
    placement: list[str]
    servers: list[str]
    configured: bool
    updated_at: datetime | None
    rejected_at: datetime | None  # when the server refused the caller's value


class ServerView(Out, kw_only=True):
    """A server. `audience` and `config` are for administrators, its literal secrets masked.

    `since` is when the state of its connections began, null when there were none yet; `toolsListed` says whether the
    gateway holds a list of its tools for the caller, so that `tools` is not empty for want of one.
    """

    name: str
    slug: str
    type: str
    description: str
    status: Status
    since: datetime | None
    error: str | None
    next_retry_at: datetime | None
    enabled: bool
    create_time: datetime | None
    tools: list[ToolView]
    tools_listed: bool
    tool_count: int
    slots: list[SlotView]
    isolation: str
    version: int
    visible: bool
    audience: Any | UnsetType = UNSET
    config: dict[str, Any] | UnsetType = UNSET


class AudienceNames(Schema, kw_only=True):
    """Whoever matches any of these. A team is written organisation/team."""

    users: list[str] | UnsetType = UNSET
    organizations: list[str] | UnsetType = UNSET
    teams: list[str] | UnsetType = UNSET
    groups: list[str] | UnsetType = UNSET


class Catalog:
    """What is there for one caller, decided by the access model."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._model = services.model

    def visible(self, user_id: str) -> list[ServerState]:
        """What the user's IDE may use through a key without a scope, in the document's order."""
        seen = {server.server_id for server in visible_servers(self._model, Principal(user_id), now())}
        return [server for server in self.in_order() if server.server_id in seen]

    def entitled(self, user_id: str) -> list[ServerState]:
        """What the user may use once it is switched on and in an active group: whom values may be entered for."""
        return [server for server in self.in_order() if self._model.entitled(user_id, server)]

    def in_order(self) -> list[ServerState]:
        settings = self._model.settings
        return [settings.servers[server_id] for server_id in settings.order]

    async def servers(self, caller: Caller, wanted: Iterable[ServerState]) -> list[ServerView]:
        """The views of these servers; whether the caller may see them at all was decided before."""
        wanted = list(wanted)
        async with self._services.read.connection() as db:
            cursor = await db.execute(ADDED, ([server.server_id for server in wanted],))
            added = dict(await cursor.fetchall())
        visible = {server.server_id for server in visible_servers(self._model, caller.principal, now())}
        sharing = self.sharing(caller.user_id)
        return [
            self._view(caller, server, added.get(server.server_id), server.server_id in visible, sharing)
            for server in wanted
        ]

    def _view(
        self,
        caller: Caller,
        server: ServerState,
        added: datetime | None,
        visible: bool,
        sharing: Mapping[str, list[str]],
    ) -> ServerView:
        status = self._services.gateway.status(server.server_id)
        tools = self.tools(caller, server) if visible or caller.admin else []
        return ServerView(
            name=server.name,
            slug=server.slug,
            type=server.spec.type,
            description=server.spec.description,
            status=self.status_of(caller.user_id, server, status),
            since=at_or_none(status.since or None),
            error=status.error or self.obstacle(server),
            next_retry_at=at_or_none(status.next_retry_at),
            enabled=server.enabled,
            create_time=added,
            tools=tools,
            tools_listed=self._services.gateway.known_tools(caller.user_id, server.server_id) is not None,
            tool_count=sum(tool.enabled and tool.state == "active" for tool in tools),
            slots=self.slots(caller.user_id, server, sharing),
            isolation=server.spec.isolation,
            version=server.changed_at,
            visible=visible,
            audience=objects(server.config, "mcphub").get("audience", EVERYONE) if caller.admin else UNSET,
            config=masked(server.config) if caller.admin else UNSET,
        )

    def status_of(self, user_id: str, server: ServerState, status: ServerStatus) -> Status:
        if not server.enabled:
            return "disabled"
        if self._unset(server):
            return "needs_setup"
        return "needs_setup" if missing_values(self._model, user_id, server) else STATES[status.state]

    def obstacle(self, server: ServerState) -> str | None:
        """Why the server cannot be connected, whoever asks; None when nothing stands in the way."""
        if unset := self._unset(server):
            return f"the hub has no value for {', '.join(unset)}"
        return None

    def _unset(self, server: ServerState) -> list[str]:
        """Hub variables its configuration reads, and that are neither stored nor in the hub's environment."""
        stored, known = self._model.hub_variables.stored, self._services.settings.hub_variables
        return [name for name in dict.fromkeys(named_in(server.config)) if name not in stored and not known.get(name)]

    def tools(self, caller: Caller, server: ServerState) -> list[ToolView]:
        """From the list the gateway holds for the caller; users are not shown what is switched off or waits."""
        known = self._services.gateway.known_tools(caller.user_id, server.server_id) or []
        views = [self.tool(server, tool) for tool in known]
        return [view for view in views if (view.enabled and view.state == "active") or caller.admin]

    def tool(self, server: ServerState, tool: facade.Tool) -> ToolView:
        definition = msgspec.json.decode(tool.definition)
        original = tool.original_description
        return ToolView(
            name=tool.name,
            exposed_name=tool.exposed_name,
            display_name=tool.shown_name or UNSET,
            description=definition.get("description") or "",
            original_description=original if original is not None else UNSET,
            input_schema=definition.get("inputSchema") or {},
            output_schema=definition.get("outputSchema") or UNSET,
            annotations=definition.get("annotations") or UNSET,
            enabled=server.switched_on("tools", tool.name),
            **self._history(server, tool.name, tool.hash),
            server=server.name,
        )

    def _history(self, server: ServerState, name: str, hash: str) -> dict[str, Any]:
        """What the record says of a tool as it is listed; '' for one that is not listed."""
        book = self._model.tools.get(server.server_id)
        record = book.tools.get(name) if book is not None else None
        withheld = bool(hash) and book is not None and book.withholds(name, hash, strict=server.strict)
        return {
            "state": "quarantined" if withheld else "active",
            "first_seen": record.first_seen if record is not None else None,
            "changed_at": record.changed_at if record is not None else None,
        }

    def unlisted(self, server: ServerState, name: str) -> ToolView:
        """A tool the document names and the upstream has not listed to the caller."""
        given = server.given_names.get(name, UNSET)
        return ToolView(
            name=name,
            exposed_name=exposed_name(server.slug, name if given is UNSET else given),
            display_name=given,
            description=str(server.override("tools", name).get("description", "")),
            input_schema={},
            enabled=server.switched_on("tools", name),
            **self._history(server, name, ""),
            server=server.name,
        )

    def sharing(self, user_id: str) -> dict[str, list[str]]:
        """Canonical variable name → the servers that ask this user for it."""
        out: dict[str, list[str]] = {}
        for server in self.entitled(user_id):
            for variable in server.slots:
                out.setdefault(variable, []).append(server.name)
        return out

    def slots(self, user_id: str, server: ServerState, sharing: Mapping[str, list[str]]) -> list[SlotView]:
        stored = self._model.credentials_of(user_id, server.server_id)
        return [
            SlotView(
                name=slot.name,
                canonical=slot.canonical,
                label=slot.label,
                description=slot.description,
                help_url=slot.help_url or UNSET,
                placeholder=slot.placeholder,
                required=slot.required,
                secret=slot.secret,
                pattern=slot.pattern or UNSET,
                placement=list(slot.placements),
                servers=sharing.get(slot.canonical, []),
                configured=slot.canonical in stored,
                updated_at=stored[slot.canonical].saved_at if slot.canonical in stored else None,
                rejected_at=self._services.rejections.rejected_at(user_id, server.server_id, slot.canonical),
            )
            for slot in server.slots.values()
        ]


def now() -> datetime:
    return datetime.now(UTC)


def at_or_none(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
