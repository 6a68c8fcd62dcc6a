"""Servers: what `mcp_settings.json` says, as fine facts, and the document as a view of them.

Rules held here:
- a save is one append, guarded by the position the administrator saw; an equal document writes nothing;
- names and slugs are unique among living servers; a slug is given when the server is added and stays;
- a server added again under a removed one's name is another server: values saved for the old one stay orphans.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from eventsourcing.dcb.domain import Selector
from msgspec import Raw, Struct

from mcphub.domain.errors import ServerExists, UnknownServerId
from mcphub.domain.events import (
    SERVERS,
    Event,
    SecretSlotDeclared,
    SecretSlotRetired,
    ServerAdded,
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
    ToolOverrideReset,
    server_tag,
)
from mcphub.domain.hub import Command
from mcphub.domain.names import slug_for
from mcphub.domain.server_spec import ServerSpec, spec_of
from mcphub.domain.settings_file import Document, compact
from mcphub.domain.slots import Slot, slots_of

KINDS = ("tools", "prompts", "resources")
SERVER_EVENTS: list[type[Event]] = [
    ServerAdded,
    ServerChanged,
    ServerRenamed,
    ServerEnabled,
    ServerDisabled,
    ServerRemoved,
    SecretSlotDeclared,
    SecretSlotRetired,
    ToolEnabled,
    ToolDisabled,
    ToolDescriptionOverridden,
    ToolOverrideReset,
    SystemConfigChanged,
    SettingsFileImported,
]
ToolEvent = ToolEnabled | ToolDisabled | ToolDescriptionOverridden | ToolOverrideReset


class ServerState(Struct):
    """A living server."""

    server_id: str
    name: str
    slug: str
    config: Document
    slots: dict[str, Slot]
    added_at: int  # position
    changed_at: int  # position
    _spec: ServerSpec | None = None

    @property
    def enabled(self) -> bool:
        return self.config.get("enabled") is not False

    @property
    def spec(self) -> ServerSpec:
        """What the gateway needs; made once for each configuration."""
        if self._spec is None:
            self._spec = spec_of(self.server_id, self.name, self.slug, self.config, self.slots)
        return self._spec

    def override(self, kind: str, name: str) -> Mapping[str, Any]:
        """The document's entry for a tool, prompt or resource; {} without one."""
        entries = self.config.get(kind)
        entry = entries.get(name) if isinstance(entries, dict) else None
        return entry if isinstance(entry, dict) else {}

    def switched_on(self, kind: str, name: str) -> bool:
        return self.override(kind, name).get("enabled") is not False

    def become(self, config: Document, position: int) -> None:
        self.config, self.changed_at, self._spec = config, position, None
        self.slots = {slot.canonical: slot for slot in slots_of(config)}


class SettingsState:
    """The fold of the server facts: living servers, system configuration, and the document they make."""

    def __init__(self) -> None:
        self.servers: dict[str, ServerState] = {}
        self.version = 0  # position of the last fact about settings: the document's ETag
        self.system: Document | None = None
        self.preserved: Document = {}
        self.members: list[str] = ["mcpServers"]
        self.order: list[str] = []
        self._by_name: dict[str, str] = {}
        self._by_slug: dict[str, str] = {}

    def by_name(self, name: str) -> ServerState | None:
        return self.servers.get(self._by_name.get(name, ""))

    def by_slug(self, slug: str) -> ServerState | None:
        return self.servers.get(self._by_slug.get(slug, ""))

    def slugs(self) -> set[str]:
        return set(self._by_slug)

    def apply(self, event: Event, position: int = 0) -> None:
        """Folds a fact in; facts about other things are passed over."""
        match event:
            case ServerAdded():
                config = json.loads(bytes(event.config))
                server = ServerState(event.server_id, event.name, event.slug, {}, {}, position, position)
                server.become(config, position)
                self.servers[server.server_id] = server
                self._by_name[server.name] = self._by_slug[server.slug] = server.server_id
                self.order.append(server.server_id)
            case ServerChanged():
                self.servers[event.server_id].become(json.loads(bytes(event.config)), position)
            case ServerRenamed():
                server = self.servers[event.server_id]
                self._by_name.pop(server.name, None)
                server.name, server.changed_at, server._spec = event.name, position, None
                self._by_name[event.name] = event.server_id
            case ServerEnabled() | ServerDisabled():
                server = self.servers[event.server_id]
                server.become({**server.config, "enabled": isinstance(event, ServerEnabled)}, position)
            case ServerRemoved():
                server = self.servers.pop(event.server_id)
                self._by_name.pop(server.name, None)
                self._by_slug.pop(server.slug, None)
                self.order.remove(event.server_id)
            case ToolEnabled() | ToolDisabled() | ToolDescriptionOverridden() | ToolOverrideReset():
                server = self.servers[event.server_id]
                server.become(with_tool(server.config, event), position)
            case SystemConfigChanged():
                self.system = json.loads(bytes(event.config))
                if self.system is not None and "systemConfig" not in self.members:
                    self.members.append("systemConfig")
            case SettingsFileImported():
                self.members = list(event.members)
                self.order = list(event.order)
                self.preserved = json.loads(bytes(event.preserved))
            case SecretSlotDeclared() | SecretSlotRetired():
                pass  # follows from the configuration, which is here
            case _:
                return
        self.version = position

    def document(self) -> Document:
        """The document, sealed values still sealed; members and servers in the order last imported, new ones after."""
        out: Document = {}
        for member in self.members:
            if member == "mcpServers":
                out[member] = {self.servers[server].name: self.servers[server].config for server in self.order}
            elif member == "systemConfig":
                if self.system is not None:
                    out[member] = self.system
            elif member in self.preserved:
                out[member] = self.preserved[member]
        return out


def with_tool(config: Document, event: ToolEvent) -> Document:
    """The configuration after one switch or description; the rest of the entry stays."""
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
    entries[event.tool] = entry
    return {**config, event.kind: entries}


# commands


class SettingsCommand(Command):
    """Everything a change of settings depends on: all of them, so that two saves never mix."""

    def __init__(self) -> None:
        self.state = SettingsState()

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=SERVER_EVENTS, tags=[SERVERS])]

    def evolve(self, event: Event) -> None:
        self.state.apply(event)

    def named(self, name: str) -> ServerState:
        """
        Raises:
            UnknownServerId: no living server has the name.
        """
        server = self.state.by_name(name)
        if server is None:
            raise UnknownServerId(name)
        return server

    # what follows triggers facts and, through evolve, moves the state on

    def add(self, server_id: str, name: str, config: Mapping[str, Any]) -> None:
        ours = config.get("mcphub")
        wanted = ours.get("slug") if isinstance(ours, dict) else None
        slug = slug_for(name, self.state.slugs(), wanted if isinstance(wanted, str) else None)
        raw = Raw(compact(config))
        self.trigger_event(ServerAdded, _tags(server_id), server_id=server_id, name=name, slug=slug, config=raw)
        self.declare(server_id, {}, self.state.servers[server_id].slots)

    def change(self, server: ServerState, config: Mapping[str, Any]) -> None:
        """Fine facts where they say everything, the whole configuration otherwise."""
        if _same(server.config, config):
            return
        before = dict(server.slots)
        fine = _fine(server, config)
        if fine is None:
            raw = Raw(compact(config))
            self.trigger_event(ServerChanged, _tags(server.server_id), server_id=server.server_id, config=raw)
        else:
            for event in fine:
                fields = {name: getattr(event, name) for name in event.__struct_fields__}
                self.trigger_event(type(event), _tags(server.server_id), **fields)
        self.declare(server.server_id, before, server.slots)

    def remove(self, server: ServerState) -> None:
        for variable in server.slots:
            self.trigger_event(
                SecretSlotRetired, _tags(server.server_id), server_id=server.server_id, variable=variable
            )
        self.trigger_event(ServerRemoved, _tags(server.server_id), server_id=server.server_id, name=server.name)

    def rename(self, server: ServerState, name: str) -> None:
        if name == server.name:
            return
        if self.state.by_name(name) is not None:
            raise ServerExists(name)
        self.trigger_event(
            ServerRenamed, _tags(server.server_id), server_id=server.server_id, old_name=server.name, name=name
        )

    def declare(self, server_id: str, before: Mapping[str, Slot], after: Mapping[str, Slot]) -> None:
        for variable in before:
            if variable not in after:
                self.trigger_event(SecretSlotRetired, _tags(server_id), server_id=server_id, variable=variable)
        for variable, slot in after.items():
            if before.get(variable) != slot:
                self.trigger_event(
                    SecretSlotDeclared,
                    _tags(server_id),
                    server_id=server_id,
                    variable=variable,
                    name=slot.name,
                    placements=list(slot.placements),
                    label=slot.label,
                    description=slot.description,
                    help_url=slot.help_url,
                    placeholder=slot.placeholder,
                    pattern=slot.pattern,
                    required=slot.required,
                    secret=slot.secret,
                    sort_order=slot.sort_order,
                )


class ApplySettings(SettingsCommand):
    """Make the settings this document: checked already, secrets sealed, `users` emptied.

    Args:
        wanted: the document.
        digest: of the text that was sent, for the record.
        new_id: makes ids of added servers.
    """

    def __init__(self, wanted: Document, digest: str, new_id: Callable[[], str]) -> None:
        super().__init__()
        self.wanted = wanted
        self.digest = digest
        self.new_id = new_id

    def execute(self) -> None:
        state, servers = self.state, self.wanted["mcpServers"]
        for server in [state.servers[server_id] for server_id in state.order]:
            if server.name not in servers:
                self.remove(server)
        for name, config in servers.items():
            present = state.by_name(name)
            if present is None:
                self.add(self.new_id(), name, config)
            else:
                self.change(present, config)
        system = self.wanted.get("systemConfig")
        if not _same(state.system, system):
            self.trigger_event(SystemConfigChanged, [SERVERS], config=Raw(compact(system)))
        order = [found.server_id for name in servers if (found := state.by_name(name))]
        preserved = {key: value for key, value in self.wanted.items() if key not in {"mcpServers", "systemConfig"}}
        members = list(self.wanted)
        reordered = order != state.order or members != state.members or not _same(state.preserved, preserved)
        if self.new_decisions or reordered:
            self.trigger_event(
                SettingsFileImported,
                [SERVERS],
                sha256=self.digest,
                members=members,
                order=order,
                preserved=Raw(compact(preserved)),
            )


class AddServer(SettingsCommand):
    """
    Raises:
        ServerExists: a living server has the name.
    """

    def __init__(self, server_id: str, name: str, config: Document) -> None:
        super().__init__()
        self.server_id = server_id
        self.name = name
        self.config = config

    def execute(self) -> None:
        if self.state.by_name(self.name) is not None:
            raise ServerExists(self.name)
        self.add(self.server_id, self.name, self.config)


class ChangeServer(SettingsCommand):
    """Give a server another configuration, another name, or both.

    Raises:
        UnknownServerId: no living server has the name.
        ServerExists: another one has the new name.
    """

    def __init__(self, name: str, *, config: Document | None = None, new_name: str | None = None) -> None:
        super().__init__()
        self.name = name
        self.config = config
        self.new_name = new_name

    def execute(self) -> None:
        server = self.named(self.name)
        if self.new_name is not None:
            self.rename(server, self.new_name)
        if self.config is not None:
            self.change(server, self.config)


class RemoveServer(SettingsCommand):
    """
    Raises:
        UnknownServerId: no living server has the name.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def execute(self) -> None:
        self.remove(self.named(self.name))


class SetServerEnabled(SettingsCommand):
    """Switch a server on or off; asking for the present state writes nothing.

    Raises:
        UnknownServerId: no living server has the name.
    """

    def __init__(self, name: str, enabled: bool) -> None:
        super().__init__()
        self.name = name
        self.enabled = enabled

    def execute(self) -> None:
        server = self.named(self.name)
        if server.enabled != self.enabled:
            fact = ServerEnabled if self.enabled else ServerDisabled
            self.trigger_event(fact, _tags(server.server_id), server_id=server.server_id)


class SetToolEnabled(SettingsCommand):
    """Switch a tool, prompt or resource on or off; its description override is kept.

    Raises:
        UnknownServerId: no living server has the name.
    """

    def __init__(self, name: str, tool: str, enabled: bool, *, kind: str = "tools") -> None:
        super().__init__()
        self.name = name
        self.tool = tool
        self.enabled = enabled
        self.kind = kind

    def execute(self) -> None:
        server = self.named(self.name)
        if server.switched_on(self.kind, self.tool) != self.enabled:
            fact = ToolEnabled if self.enabled else ToolDisabled
            tags = _tags(server.server_id)
            self.trigger_event(fact, tags, server_id=server.server_id, tool=self.tool, kind=self.kind)


class SetToolDescription(SettingsCommand):
    """Override what a tool says of itself; None lets the upstream speak again.

    Raises:
        UnknownServerId: no living server has the name.
    """

    def __init__(self, name: str, tool: str, description: str | None) -> None:
        super().__init__()
        self.name = name
        self.tool = tool
        self.description = description

    def execute(self) -> None:
        server = self.named(self.name)
        if server.override("tools", self.tool).get("description") == self.description:
            return
        place = {"server_id": server.server_id, "tool": self.tool}
        if self.description is None:
            self.trigger_event(ToolOverrideReset, _tags(server.server_id), **place)
        else:
            self.trigger_event(
                ToolDescriptionOverridden, _tags(server.server_id), **place, description=self.description
            )


class ChangeSystemConfig(SettingsCommand):
    """Replace `systemConfig`; checked and sealed already."""

    def __init__(self, system: Document) -> None:
        super().__init__()
        self.system = system

    def execute(self) -> None:
        if not _same(self.state.system, self.system):
            self.trigger_event(SystemConfigChanged, [SERVERS], config=Raw(compact(self.system)))


def changes(events: Iterable[Event], names: Mapping[str, str]) -> list[dict[str, str]]:
    """What a save records, for the preview: type, server and the detail a person wants, never a value."""
    known = dict(names)
    out = []
    for event in events:
        if isinstance(event, ServerAdded):
            known[event.server_id] = event.name
        server_id = getattr(event, "server_id", "")
        detail = getattr(event, "tool", "") or getattr(event, "variable", "")
        if isinstance(event, ServerRenamed):
            detail = event.name
        out.append({"type": type(event).__name__, "server": known.get(server_id, ""), "detail": detail})
    return out


def digest(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return sha256(raw).hexdigest()


def _tags(server_id: str) -> list[str]:
    return [server_tag(server_id), SERVERS]


def _same(one: Any, other: Any) -> bool:
    """Equal as documents: the order of members counts, and 1 is not 1.0 or true."""
    return compact(one) == compact(other)


def _fine(server: ServerState, wanted: Mapping[str, Any]) -> list[Event] | None:
    """The switches and descriptions that alone lead to the wanted configuration; None when they do not."""
    found: list[Event] = []
    if wanted.get("enabled") is not server.config.get("enabled") and isinstance(wanted.get("enabled"), bool):
        fact = ServerEnabled if wanted["enabled"] else ServerDisabled
        found.append(fact(server_id=server.server_id))
    for kind in KINDS:
        old, new = server.config.get(kind), wanted.get(kind)
        if isinstance(new, dict) and not _same(old, new):
            found += _fine_tools(server, kind, new)
    trial = SettingsState()
    trial.servers[server.server_id] = ServerState(server.server_id, "", "", server.config, {}, 0, 0)
    for event in found:
        trial.apply(event)
    return found if found and _same(trial.servers[server.server_id].config, wanted) else None


def _fine_tools(server: ServerState, kind: str, entries: Mapping[str, Any]) -> list[Event]:
    found: list[Event] = []
    for tool, entry in entries.items():
        if not isinstance(entry, dict):
            continue
        present = server.override(kind, tool)
        place = {"server_id": server.server_id, "tool": tool, "kind": kind}
        if isinstance(entry.get("enabled"), bool) and entry["enabled"] is not present.get("enabled"):
            found.append((ToolEnabled if entry["enabled"] else ToolDisabled)(**place))
        if isinstance(entry.get("description"), str) and entry["description"] != present.get("description"):
            found.append(ToolDescriptionOverridden(**place, description=entry["description"]))
        elif "description" in present and "description" not in entry:
            found.append(ToolOverrideReset(**place))
    return found
