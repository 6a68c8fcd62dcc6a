"""Who has entered what: counts and names for administrators, never a value or a mask."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from mcphub.api.schemas import Out
from mcphub.api.upkeep import Upkeep
from mcphub.domain.slots import canonical
from mcphub.projections.directory import Directory


class Holder(Out, kw_only=True):
    """A user who has a value there. `hasAccess`: they may use the server now, too."""

    user_id: str
    username: str
    has_access: bool


class Usage(Out, kw_only=True):
    """`users` may use the server now, `configured` of them have a value, `percent` is null when nobody may."""

    users: int
    configured: int
    percent: float | None
    holders: list[Holder]


class SlotUsage(Usage, kw_only=True):
    name: str
    required: bool
    secret: bool


class ServerUsage(Out, kw_only=True):
    server: str
    enabled: bool
    users: int
    variables: list[SlotUsage]


class VariableUsage(Usage, kw_only=True):
    """Over all servers that ask for it; a value at any of them counts."""

    name: str
    servers: list[str]


class Report(Out, kw_only=True):
    servers: list[ServerUsage]
    variables: list[VariableUsage]


class _Asked(Struct):
    """One variable over all servers."""

    name: str
    servers: list[str] = []
    access: set[str] = set()
    holders: set[str] = set()


async def report(upkeep: Upkeep, directory: Directory, variable: str = "") -> Report:
    """Usage of every server with variables, in the document's order, and of every variable, by canonical name.

    Args:
        variable: only this one, with or without one leading USER_.
    """
    wanted = {variable, canonical(variable)} if variable else set()
    asked = [
        (server, slot, upkeep.holders(server.server_id, slot.canonical))
        for server in upkeep.in_order()
        for slot in server.slots.values()
        if not wanted or not wanted.isdisjoint({slot.canonical, slot.name})
    ]
    people = await directory.names({user for _, _, holders in asked for user in holders})
    names = {user: found.username for user, found in people.items()}
    allowed = await upkeep.access()
    servers: dict[str, ServerUsage] = {}
    variables: dict[str, _Asked] = {}
    for server, slot, holders in asked:
        access = allowed.get(server.server_id, set())
        entry = servers.setdefault(
            server.server_id,
            ServerUsage(server=server.name, enabled=server.enabled, users=len(access), variables=[]),
        )
        usage = _usage(access, holders, names)
        entry.variables.append(SlotUsage(name=slot.name, required=slot.required, secret=slot.secret, **usage))
        over = variables.setdefault(slot.canonical, _Asked(slot.name))
        over.servers.append(server.name)
        over.access |= access
        over.holders |= holders
    return Report(
        servers=list(servers.values()),
        variables=[
            VariableUsage(name=over.name, servers=over.servers, **_usage(over.access, over.holders, names))
            for _, over in sorted(variables.items())
        ],
    )


def _usage(access: set[str], holders: set[str], names: Mapping[str, str]) -> dict[str, Any]:
    configured = len(access & holders)
    return {
        "users": len(access),
        "configured": configured,
        "percent": round(100 * configured / len(access), 1) if access else None,
        "holders": sorted(
            (Holder(user_id=user, username=names[user], has_access=user in access) for user in holders),
            key=lambda holder: (holder.username, holder.user_id),
        ),
    }
