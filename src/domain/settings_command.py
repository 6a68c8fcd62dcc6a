"""How settings change: the boundary, and a change said in the finest facts that say all of it."""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from eventsourcing.dcb.domain import Selector
from msgspec import Raw

from mcphub.domain.errors import ServerExists, UnknownServerId
from mcphub.domain.events import (
    SERVERS,
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
    server_tag,
)
from mcphub.domain.findings import DocumentRefused, Finding, pointer
from mcphub.domain.hub import Command
from mcphub.domain.names import slug_for
from mcphub.domain.server_check import good_name
from mcphub.domain.settings_file import compact, objects
from mcphub.domain.settings_state import KINDS, ServerState, SettingsState
from mcphub.domain.slots import Slot

SERVER_EVENTS: list[type[Event]] = [
    ServerAdded,
    ServerChanged,
    ServerRenamed,
    ServerEnabled,
    ServerDisabled,
    ServerAudienceChanged,
    ServerRemoved,
    SecretSlotDeclared,
    SecretSlotRetired,
    ToolEnabled,
    ToolDisabled,
    ToolDescriptionOverridden,
    ToolOverrideReset,
    ToolRenamed,
    ToolNameReset,
    SystemConfigChanged,
    SettingsFileImported,
]


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

    def add(
        self,
        server_id: str,
        name: str,
        config: Mapping[str, Any],
        reserved: dict[str, str] | None = None,
        *,
        former_slug: str = "",
        made: datetime | None = None,
        follows: str | None = None,
    ) -> None:
        """
        Args:
            reserved: slug → name of other new servers that ask for one.
            former_slug, made, follows: of a server that was removed and comes back; the slug is no other's.
        """
        asked = former_slug or asked_slug(config)
        if asked and asked in self.state.slugs:
            place = pointer(("mcpServers", name, "mcphub", "slug"))
            raise DocumentRefused([Finding(place, "slug_taken", f"another server has the slug {asked!r}")])
        slug = asked or slug_for(name, ChainMap(self.state.slugs, reserved or {}))
        raw = Raw(compact(config))
        self.trigger_event(
            ServerAdded,
            tags(server_id),
            server_id=server_id,
            name=name,
            slug=slug,
            config=raw,
            made=made,
            follows=follows,
        )
        self.declare(server_id, {}, self.state.servers[server_id].slots)

    def change(self, server: ServerState, config: Mapping[str, Any]) -> None:
        """Fine facts where they say everything, the whole configuration otherwise; the audience always by its own."""
        before = dict(server.slots)
        audience = objects(config, "mcphub").get("audience")
        if not same(objects(server.config, "mcphub").get("audience"), audience):
            self.restrict(server, audience)
        if same(server.config, config):
            return
        fine = _fine(server, config)
        if fine is None:
            raw = Raw(compact(config))
            self.trigger_event(ServerChanged, tags(server.server_id), server_id=server.server_id, config=raw)
        else:
            for event in fine:
                fields = {name: getattr(event, name) for name in event.__struct_fields__}
                self.trigger_event(type(event), tags(server.server_id), **fields)
        self.declare(server.server_id, before, server.slots)

    def restrict(self, server: ServerState, audience: Any) -> None:
        """Another `mcphub.audience`; None for none."""
        raw = Raw(compact(audience))
        self.trigger_event(ServerAudienceChanged, tags(server.server_id), server_id=server.server_id, audience=raw)

    def remove(self, server: ServerState) -> None:
        for variable in server.slots:
            self.trigger_event(SecretSlotRetired, tags(server.server_id), server_id=server.server_id, variable=variable)
        self.trigger_event(ServerRemoved, tags(server.server_id), server_id=server.server_id, name=server.name)

    def rename(self, server: ServerState, name: str) -> None:
        if name == server.name:
            return
        if not good_name(name):
            raise DocumentRefused([Finding("/name", "bad_name", "1 to 100 characters in NFC, no '/', no '$' in front")])
        if self.state.by_name(name) is not None:
            raise ServerExists(name)
        self.trigger_event(
            ServerRenamed, tags(server.server_id), server_id=server.server_id, old_name=server.name, name=name
        )

    def declare(self, server_id: str, before: Mapping[str, Slot], after: Mapping[str, Slot]) -> None:
        for variable in before:
            if variable not in after:
                self.trigger_event(SecretSlotRetired, tags(server_id), server_id=server_id, variable=variable)
        for variable, slot in after.items():
            if before.get(variable) != slot:
                self.trigger_event(
                    SecretSlotDeclared,
                    tags(server_id),
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


def asked_slug(config: Mapping[str, Any]) -> str:
    slug = objects(config, "mcphub").get("slug")
    return slug if isinstance(slug, str) else ""


def tags(server_id: str) -> list[str]:
    return [server_tag(server_id), SERVERS]


def same(one: Any, other: Any) -> bool:
    """Equal as documents: the order of members counts, and 1 is not 1.0 or true."""
    return compact(one) == compact(other)


def _fine(server: ServerState, wanted: Mapping[str, Any]) -> list[Event] | None:
    """The switches, descriptions and names that alone lead to the wanted configuration; None when they do not."""
    found: list[Event] = []
    if wanted.get("enabled") is not server.config.get("enabled") and isinstance(wanted.get("enabled"), bool):
        fact = ServerEnabled if wanted["enabled"] else ServerDisabled
        found.append(fact(server_id=server.server_id))
    for kind in KINDS:
        old, new = server.config.get(kind), wanted.get(kind)
        if isinstance(new, dict) and not same(old, new):
            found += _fine_tools(server, kind, new)
    trial = SettingsState()
    trial.servers[server.server_id] = ServerState(server.server_id, "", "", server.config, 0, 0)
    for event in found:
        trial.apply(event)
    return found if found and same(trial.servers[server.server_id].config, wanted) else None


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
        if kind == "tools":
            found += _fine_name(server.server_id, tool, present.get("name"), entry.get("name"))
    return found


def _fine_name(server_id: str, tool: str, present: Any, wanted: Any) -> list[Event]:
    if isinstance(wanted, str) and wanted != present:
        return [ToolRenamed(server_id=server_id, tool=tool, name=wanted)]
    return [ToolNameReset(server_id=server_id, tool=tool)] if wanted is None and present is not None else []
