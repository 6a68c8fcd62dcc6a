"""Servers: what `mcp_settings.json` says, as fine facts.

Rules held here:
- a save is one append, guarded by the position the administrator saw; an equal document writes nothing;
- names and slugs are unique among living servers; a slug is given when the server is added and stays;
- a server added again under a removed one's name is another server: values saved for the old one stay orphans.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Raw

from mcphub.domain.audience import EVERYONE, faults, read
from mcphub.domain.errors import ServerExists, ToolNameTaken
from mcphub.domain.events import (
    SERVERS,
    ServerAudienceChanged,
    ServerDisabled,
    ServerEnabled,
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
from mcphub.domain.findings import DocumentRefused, Finding, Policy, pointer
from mcphub.domain.server_check import check_server
from mcphub.domain.settings_check import check_system
from mcphub.domain.settings_command import SettingsCommand, asked_slug, same, tags
from mcphub.domain.settings_file import Document, compact, objects
from mcphub.domain.settings_state import ServerState, SettingsState, with_tool
from mcphub.domain.tool_names import FORM, claims, good_tool_name, holder

STRICT = Policy()  # nothing beyond the contract's own list


class ApplySettings(SettingsCommand):
    """Make the settings this document: checked already, and its literal secrets sealed.

    An equal document writes nothing; entries of `users` are dropped.

    Args:
        wanted: the document.
        digest: of the text that was sent, for the record.
        new_id: makes ids of added servers.

    Raises:
        DocumentRefused: a new server asks for a slug that another one has.
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
        new = {name: config for name, config in servers.items() if state.by_name(name) is None}
        reserved = {slug: name for name, config in new.items() if (slug := asked_slug(config))}
        for name, config in servers.items():
            present = state.by_name(name)
            if present is None:
                self.add(self.new_id(), name, config, reserved)
            else:
                self.change(present, config)
        system = self.wanted.get("systemConfig")
        if not same(state.system_config, system):
            self.trigger_event(SystemConfigChanged, [SERVERS], config=Raw(compact(system)))
        order = [found.server_id for name in servers if (found := state.by_name(name))]
        preserved = {key: value for key, value in self.wanted.items() if key not in {"mcpServers", "systemConfig"}}
        if "users" in preserved:
            preserved["users"] = []  # may hold password hashes, and users are facts of their own here
        members = list(self.wanted)
        reordered = order != list(state.order) or members != state.members or not same(state.preserved, preserved)
        if self.new_decisions or reordered:
            self.trigger_event(
                SettingsFileImported,
                [SERVERS],
                sha256=self.digest,
                members=members,
                order=order,
                preserved=Raw(compact(preserved)),
            )


class RestoreSettings(ApplySettings):
    """Make the settings what they were.

    A server that was renamed since gets its name back, as far as nobody else has it now, and so stays the same server
    with what users saved for it. One that was removed is added anew, as everywhere.

    Args:
        wanted: the document as it was, its literal secrets sealed as they were.
        names: server id → the name it had.
    """

    def __init__(self, wanted: Document, digest: str, new_id: Callable[[], str], names: Mapping[str, str]) -> None:
        super().__init__(wanted, digest, new_id)
        self.names = names

    def execute(self) -> None:
        for server_id, name in self.names.items():
            server = self.state.servers.get(server_id)
            if server is not None and self.state.by_name(name) is None:
                self.rename(server, name)
        super().execute()


class AddServer(SettingsCommand):
    """Add one server; its literal secrets are sealed already. An id that exists already writes nothing.

    Args:
        slug, made, follows: of a server that was removed and comes back by its id, see ServerAdded.

    Raises:
        DocumentRefused: the entry has errors, or asks for a slug that another server has.
        ServerExists: a living server has the name.
    """

    def __init__(
        self,
        server_id: str,
        name: str,
        config: Document,
        *,
        policy: Policy = STRICT,
        slug: str = "",
        made: datetime | None = None,
        follows: str | None = None,
    ) -> None:
        super().__init__()
        self.server_id = server_id
        self.name = name
        self.config = config
        self.policy = policy
        self.slug = slug
        self.made = made
        self.follows = follows

    def execute(self) -> None:
        check_server(self.name, self.config, self.policy).refuse()
        if self.server_id in self.state.servers:
            return  # the same request, sent again
        if self.state.by_name(self.name) is not None:
            raise ServerExists(self.name)
        self.add(self.server_id, self.name, self.config, former_slug=self.slug, made=self.made, follows=self.follows)


class ChangeServer(SettingsCommand):
    """Give a server another configuration, its literal secrets sealed already, another name, or both.

    Raises:
        DocumentRefused: the entry has errors.
        UnknownServerId: no living server has the name.
        ServerExists: another one has the new name.
    """

    def __init__(
        self, name: str, *, config: Document | None = None, new_name: str | None = None, policy: Policy = STRICT
    ) -> None:
        super().__init__()
        self.name = name
        self.config = config
        self.new_name = new_name
        self.policy = policy

    def execute(self) -> None:
        server = self.named(self.name)
        if self.new_name is not None:
            self.rename(server, self.new_name)
        if self.config is not None:
            check_server(self.name, self.config, self.policy).refuse()
            self.change(server, self.config)


class RenameServer(SettingsCommand):
    """Give a server another name; its slug, and the values saved for it, stay.

    Raises:
        UnknownServerId: no living server has the old name.
        ServerExists: another one has the new name.
        DocumentRefused: it is no name.
    """

    def __init__(self, name: str, new_name: str) -> None:
        super().__init__()
        self.name = name
        self.new_name = new_name

    def execute(self) -> None:
        self.rename(self.named(self.name), self.new_name)


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
            self.trigger_event(fact, tags(server.server_id), server_id=server.server_id)


class SetServerAudience(SettingsCommand):
    """Say whom a server is for: "everyone", or an object of names as the settings document has it.

    The audience it has already writes nothing, nor does everyone for a server that says nothing.

    Raises:
        UnknownServerId: no living server has the name.
        DocumentRefused: it is no audience.
    """

    def __init__(self, name: str, audience: Any) -> None:
        super().__init__()
        self.name = name
        self.audience = audience

    def execute(self) -> None:
        server = self.named(self.name)
        found = [Finding(pointer(("audience", *path)), "bad_audience", why) for path, why in faults(self.audience)]
        if found:
            raise DocumentRefused(found)
        if not same(objects(server.config, "mcphub").get("audience", EVERYONE), self.audience):
            self.restrict(server, self.audience)


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
            self.trigger_event(fact, tags(server.server_id), server_id=server.server_id, tool=self.tool, kind=self.kind)


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
            self.trigger_event(ToolOverrideReset, tags(server.server_id), **place)
        else:
            self.trigger_event(ToolDescriptionOverridden, tags(server.server_id), **place, description=self.description)


class SetToolName(SettingsCommand):
    """Give a tool the name it is shown and called by; None, or its own, lets the upstream's count again.

    Args:
        listed: tools of the server by their own names, as far as they are known. One that comes later takes no name
            from a tool, so what is being recorded meanwhile need not be in the boundary.

    Raises:
        UnknownServerId: no living server has the name.
        DocumentRefused: it is no name.
        ToolNameTaken: another tool of the server has it.
    """

    def __init__(self, name: str, tool: str, wanted: str | None, listed: Collection[str] = ()) -> None:
        super().__init__()
        self.name = name
        self.tool = tool
        self.wanted = None if wanted == tool else wanted
        self.listed = listed

    def execute(self) -> None:
        server = self.named(self.name)
        place = {"server_id": server.server_id, "tool": self.tool}
        if self.wanted is None:
            if "name" in server.override("tools", self.tool):
                self.trigger_event(ToolNameReset, tags(server.server_id), **place)
            return
        if server.given_names.get(self.tool) == self.wanted:
            return
        if not good_tool_name(self.wanted):
            raise DocumentRefused([Finding("/name", "bad_name", f"a tool's name is {FORM}")])
        claimed = claims(server.slug, {*self.listed, *objects(server.config, "tools")}, server.given_names)
        if other := holder(claimed, server.slug, self.tool, self.wanted):
            raise ToolNameTaken(self.wanted, other, server.name)
        self.trigger_event(ToolRenamed, tags(server.server_id), **place, name=self.wanted)


class ChangeSystemConfig(SettingsCommand):
    """Replace `systemConfig`, its literal secrets sealed already; None takes it out of the document.

    Raises:
        DocumentRefused: it has errors.
    """

    def __init__(self, system: Document | None) -> None:
        super().__init__()
        self.system = system

    def execute(self) -> None:
        if self.system is not None:
            check_system(self.system).refuse()
        if not same(self.state.system_config, self.system):
            self.trigger_event(SystemConfigChanged, [SERVERS], config=Raw(compact(self.system)))


def changes_of(command: SettingsCommand) -> list[dict[str, str]]:
    """What a command that was executed records, for the preview: type, server and a summary, never a value."""
    names = names_in(command.state)
    return [said(tagged.decision, names) for tagged in command.new_decisions]


def names_in(state: SettingsState) -> dict[str, str]:
    """Server id → name, or the last name of a server that is gone."""
    return state.removed | {server.server_id: server.name for server in state.servers.values()}


def said(event: Any, names: Mapping[str, str]) -> dict[str, str]:
    """A fact in short: type, server and a summary, never a value."""
    server = names.get(getattr(event, "server_id", ""), "")
    return {"type": type(event).__name__, "server": server, "summary": _summary(event)}


def _summary(event: Any) -> str:
    match event:
        case ServerRenamed():
            return event.old_name
        case ToolRenamed():
            return f"{event.tool} → {event.name}"
        case ServerAudienceChanged():
            audience = msgspec.json.decode(event.audience)
            return read(EVERYONE if audience is None else audience).described()
    return getattr(event, "tool", "") or getattr(event, "variable", "")


def digest(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return sha256(raw).hexdigest()


__all__ = [
    "AddServer",
    "ApplySettings",
    "ChangeServer",
    "ChangeSystemConfig",
    "RemoveServer",
    "RenameServer",
    "RestoreSettings",
    "ServerState",
    "SetServerAudience",
    "SetServerEnabled",
    "SetToolDescription",
    "SetToolEnabled",
    "SetToolName",
    "SettingsCommand",
    "SettingsState",
    "changes_of",
    "digest",
    "names_in",
    "said",
    "with_tool",
]
