"""The servers as the facts make them: a pure fold, and `mcp_settings.json` as a view of it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from mcphub.domain.audience import Audience, audience_of
from mcphub.domain.events import (
    Event,
    SecretSlotDeclared,
    SecretSlotRetired,
    ServerAdded,
    ServerAudienceChanged,
    ServerChanged,
    ServerDisabled,
    ServerEnabled,
    ServerRemoved,
    ServerRenamed,
    SettingsFileImported,
    SystemConfigChanged,
    ToolDescriptionOverridden,
    ToolDisabled,
    ToolEnabled,
    ToolNameReset,
    ToolOverrideReset,
    ToolRenamed,
)
from mcphub.domain.server_spec import ServerSpec, spec_of
from mcphub.domain.settings_file import Document, objects
from mcphub.domain.slots import Slot, slots_of
from mcphub.domain.tool_names import given_names

QUARANTINE = "quarantine"
KINDS = ("tools", "prompts", "resources")
ToolEvent = ToolEnabled | ToolDisabled | ToolDescriptionOverridden | ToolOverrideReset | ToolRenamed | ToolNameReset


class ServerState(Struct):
    """A living server."""

    server_id: str
    name: str
    slug: str
    config: Document
    added_at: int  # position
    changed_at: int  # position
    offers_at: dict[str, int] = {}  # kind → position of the last change of what it may offer; whom it is for is none
    _slots: dict[str, Slot] | None = None
    _spec: ServerSpec | None = None
    _audience: Audience | None = None
    _given: Mapping[str, str] | None = None

    @property
    def enabled(self) -> bool:
        return self.config.get("enabled") is not False

    @property
    def slots(self) -> dict[str, Slot]:
        """What it asks users for, by canonical name; made once for each configuration."""
        if self._slots is None:
            self._slots = {slot.canonical: slot for slot in slots_of(self.config)}
        return self._slots

    @property
    def spec(self) -> ServerSpec:
        """What the gateway needs; made once for each configuration."""
        if self._spec is None:
            self._spec = spec_of(self.server_id, self.name, self.slug, self.config, self.slots)
        return self._spec

    @property
    def strict(self) -> bool:
        """Do new definitions of its tools wait until an administrator approves them?"""
        return waits_for_approval(self.config)

    @property
    def audience(self) -> Audience:
        """Made once for each configuration, so the same one is the same object."""
        if self._audience is None:
            self._audience = audience_of(self.config)
        return self._audience

    @property
    def given_names(self) -> Mapping[str, str]:
        """Tool → the name an administrator gave it. Made once for each configuration."""
        if self._given is None:
            self._given = given_names(self.config)
        return self._given

    def override(self, kind: str, name: str) -> Mapping[str, Any]:
        """The document's entry for a tool, prompt or resource; {} without one."""
        entries = self.config.get(kind)
        entry = entries.get(name) if isinstance(entries, dict) else None
        return entry if isinstance(entry, dict) else {}

    def switched_on(self, kind: str, name: str) -> bool:
        return self.override(kind, name).get("enabled") is not False

    def become(self, config: Document, position: int, kinds: Sequence[str] = KINDS) -> None:
        """
        Args:
            kinds: of which what it offers may be something else now.
        """
        self.config, self.changed_at, self._spec, self._audience, self._given = config, position, None, None, None
        self.offers_at |= dict.fromkeys(kinds, position)
        if kinds is KINDS:  # what is said of a tool, or of the audience, asks users for nothing
            self._slots = None


class SettingsState:
    """The fold of the server facts: living servers, system configuration, and the document they make."""

    def __init__(self) -> None:
        self.servers: dict[str, ServerState] = {}
        self.version = 0  # position of the last fact about settings: the document's ETag
        self.system_config: Document | None = None  # None: the document has no such member
        self.preserved: Document = {}
        self.members: list[str] = ["mcpServers"]
        self.order: dict[str, None] = {}  # server ids as the document has them
        self.removed: dict[str, str] = {}  # server id → its last name, for what is still stored of it
        self._by_name: dict[str, str] = {}
        self._by_slug: dict[str, str] = {}

    def by_name(self, name: str) -> ServerState | None:
        return self.servers.get(self._by_name.get(name, ""))

    def by_slug(self, slug: str) -> ServerState | None:
        return self.servers.get(self._by_slug.get(slug, ""))

    @property
    def system(self) -> Document:
        return self.system_config or {}

    @property
    def slugs(self) -> dict[str, str]:
        """Slug → server id of the living servers."""
        return self._by_slug

    def apply(self, event: Event, position: int = 0) -> None:
        """Folds a fact in; facts about other things are passed over."""
        match event:
            case ServerAdded():
                config = json.loads(bytes(event.config))
                server = ServerState(event.server_id, event.name, event.slug, {}, position, position)
                server.become(config, position)
                self.servers[server.server_id] = server
                self._by_name[server.name] = self._by_slug[server.slug] = server.server_id
                self.order = _placed(self.order, server.server_id, event.follows)
                self.removed.pop(server.server_id, None)
            case ServerChanged():
                self.servers[event.server_id].become(json.loads(bytes(event.config)), position)
            case ServerRenamed():
                server = self.servers[event.server_id]
                self._by_name.pop(server.name, None)
                server.name, server.changed_at, server._spec = event.name, position, None
                server.offers_at |= dict.fromkeys(KINDS, position)
                self._by_name[event.name] = event.server_id
            case ServerEnabled() | ServerDisabled():
                server = self.servers[event.server_id]
                server.become({**server.config, "enabled": isinstance(event, ServerEnabled)}, position)
            case ServerAudienceChanged():
                server = self.servers[event.server_id]
                server.become(with_audience(server.config, json.loads(bytes(event.audience))), position, ())
            case ServerRemoved():
                server = self.servers.pop(event.server_id)
                self.removed[server.server_id] = server.name
                self._by_name.pop(server.name, None)
                self._by_slug.pop(server.slug, None)
                self.order.pop(event.server_id, None)
            case (
                ToolEnabled()
                | ToolDisabled()
                | ToolDescriptionOverridden()
                | ToolOverrideReset()
                | ToolRenamed()
                | ToolNameReset()
            ):
                server = self.servers[event.server_id]
                server.become(with_tool(server.config, event), position, (event.kind,))
            case SystemConfigChanged():
                self.system_config = json.loads(bytes(event.config))
                if self.system_config is not None and "systemConfig" not in self.members:
                    self.members.append("systemConfig")
            case SettingsFileImported():
                self.members = list(event.members)
                self.order = dict.fromkeys(event.order)
                self.preserved = json.loads(bytes(event.preserved))
            case SecretSlotDeclared() | SecretSlotRetired():
                pass  # follows from the configuration, which is here
            case _:
                return
        self.version = position

    def document(self) -> Document:
        """The document, sealed values still sealed; members and servers in the order last imported, new ones after.

        It shares its parts with the state: to be read, not changed.
        """
        out: Document = {}
        for member in self.members:
            if member == "mcpServers":
                out[member] = {self.servers[server].name: self.servers[server].config for server in self.order}
            elif member == "systemConfig":
                if self.system_config is not None:
                    out[member] = self.system_config
            elif member in self.preserved:
                out[member] = self.preserved[member]
        return out


def _placed(order: dict[str, None], server_id: str, follows: str | None) -> dict[str, None]:
    """The order with a server behind another one: in front for '', at the end for None or one that is not there."""
    others = [one for one in order if one != server_id]
    if follows == "":
        place = 0
    else:
        place = others.index(follows) + 1 if follows in others else len(others)
    return dict.fromkeys([*others[:place], server_id, *others[place:]])


def waits_for_approval(config: Document) -> bool:
    return objects(config, "mcphub").get("onToolChange") == QUARANTINE


def with_tool(config: Document, event: ToolEvent) -> Document:
    """The configuration after one switch, description or name; the rest of the entry stays."""
    entries = dict(config.get(event.kind) or {})
    entry = dict(entries.get(event.tool) or {})
    match event:
        case ToolEnabled():
            entry["enabled"] = True
        case ToolDisabled():
            entry["enabled"] = False
        case ToolDescriptionOverridden():
            entry["description"] = event.description
        case ToolOverrideReset():
            entry.pop("description", None)
        case ToolRenamed():
            entry["name"] = event.name
        case ToolNameReset():
            entry.pop("name", None)
    entries[event.tool] = entry
    return {**config, event.kind: entries}


def with_audience(config: Document, audience: Any) -> Document:
    """The configuration with another `mcphub.audience`, where it stood before; None takes it out."""
    ours = dict(config.get("mcphub") or {})
    if audience is not None:
        return {**config, "mcphub": {**ours, "audience": audience}}
    ours.pop("audience", None)
    rest = {member: value for member, value in config.items() if member != "mcphub"}
    return {**config, "mcphub": ours} if ours else rest
