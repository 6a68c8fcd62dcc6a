"""Read models `servers` and `settings`: the living servers with their configuration, and the rest of the document.

Sealed values stay sealed here; a read shows bullets.
"""

import json
from datetime import datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mcphub.domain.codec import Recorded
from mcphub.domain.events import (
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
from mcphub.domain.settings_state import with_audience, with_tool
from mcphub.projections.projection import Projection


class ServerRow(Struct, frozen=True, kw_only=True):
    server_id: str
    name: str
    slug: str
    config: dict[str, Any]
    enabled: bool
    added_at: datetime
    changed_at: datetime
    added_position: int
    position: int


class Servers(Projection[ServerRow]):
    name = "servers"
    row = ServerRow
    key_columns = ("server_id",)
    handles = (
        ServerAdded,
        ServerChanged,
        ServerRenamed,
        ServerEnabled,
        ServerDisabled,
        ServerAudienceChanged,
        ServerRemoved,
        ToolEnabled,
        ToolDisabled,
        ToolDescriptionOverridden,
        ToolOverrideReset,
        ToolRenamed,
        ToolNameReset,
    )
    ddl = """
        create table servers (
            server_id      text        primary key,
            name           text        not null,
            slug           text        not null,
            config         json        not null,
            enabled        boolean     not null,
            added_at       timestamptz not null,
            changed_at     timestamptz not null,
            added_position bigint      not null,
            position       bigint      not null
        );
    """

    def key(self, recorded: Recorded) -> tuple[str]:
        return (recorded.event.server_id,)  # type: ignore[attr-defined]

    def evolve(self, row: ServerRow | None, recorded: Recorded) -> ServerRow | None:
        event, at, position = recorded.event, recorded.at, recorded.position
        if isinstance(event, ServerAdded):
            config = json.loads(bytes(event.config))
            return ServerRow(
                server_id=event.server_id,
                name=event.name,
                slug=event.slug,
                config=config,
                enabled=config.get("enabled") is not False,
                added_at=event.made or at,
                changed_at=at,
                added_position=position,
                position=position,
            )
        if row is None:
            return None
        match event:
            case ServerRemoved():
                return None
            case ServerRenamed():
                return replace(row, name=event.name, changed_at=at, position=position)
            case ServerChanged():
                config = json.loads(bytes(event.config))
            case ServerEnabled() | ServerDisabled():
                config = {**row.config, "enabled": isinstance(event, ServerEnabled)}
            case ServerAudienceChanged():
                config = with_audience(row.config, json.loads(bytes(event.audience)))
            case (
                ToolEnabled()
                | ToolDisabled()
                | ToolDescriptionOverridden()
                | ToolOverrideReset()
                | ToolRenamed()
                | ToolNameReset()
            ):
                config = with_tool(row.config, event)
            case _:
                return row
        enabled = config.get("enabled") is not False
        return replace(row, config=config, enabled=enabled, changed_at=at, position=position)


class SettingsRow(Struct, frozen=True, kw_only=True):
    one: bool
    system: dict[str, Any] | None
    preserved: dict[str, Any]
    members: list[str]
    server_order: list[str]
    sha256: str
    position: int


class SettingsDocument(Projection[SettingsRow]):
    """The one row of what the document holds beside its servers."""

    name = "settings"
    row = SettingsRow
    key_columns = ("one",)
    handles = (SystemConfigChanged, SettingsFileImported)
    ddl = """
        create table settings (
            one          boolean primary key,
            system       json,
            preserved    json    not null,
            members      text[]  not null,
            server_order text[]  not null,
            sha256       text    not null,
            position     bigint  not null
        );
    """

    def key(self, recorded: Recorded) -> tuple[bool]:
        return (True,)

    def evolve(self, row: SettingsRow | None, recorded: Recorded) -> SettingsRow | None:
        before = row or SettingsRow(
            one=True, system=None, preserved={}, members=[], server_order=[], sha256="", position=0
        )
        match recorded.event:
            case SystemConfigChanged() as event:
                system = json.loads(bytes(event.config))
                if system is None and not before.members:
                    return None  # nothing of it was ever saved, and what was is taken back
                return replace(before, system=system, position=recorded.position)
            case SettingsFileImported() as event:
                return replace(
                    before,
                    preserved=json.loads(bytes(event.preserved)),
                    members=list(event.members),
                    server_order=list(event.order),
                    sha256=event.sha256,
                    position=recorded.position,
                )
        return row
