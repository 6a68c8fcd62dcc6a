"""What there is, thing by thing, as an access model has it: to be shown as of a time, and compared between two.

A thing is a plain record in the words of the API. Nothing secret is in one: of a stored value only that it is there.
Configurations are as the facts have them, what is sealed still sealed, so that a new secret can be told from the old.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, Literal, Protocol

from msgspec import Struct

from mcphub.domain.access import AccessModel, Group
from mcphub.domain.audience import EVERYONE
from mcphub.domain.entitlement import recorded_tools
from mcphub.domain.events import Scope
from mcphub.domain.keys import PREFIX, key_standing
from mcphub.domain.settings_file import objects

Thing = dict[str, Any]
State = dict[str, dict[str, Thing]]  # section → id → thing
Standing = Literal["active", "inactive", "pending", "deleted", "erased"]


class Section(Struct, frozen=True):
    """One kind of thing.

    Args:
        ids: of all there are, or of those of one user.
        shown: the thing behind an id.
        counted: what follows from other things, for who looks at this one; it is no part of a state.
    """

    ids: Callable[[AccessModel, str], Iterable[str]]
    shown: Callable[[AccessModel, str, datetime], Thing]
    counted: Callable[[AccessModel, str, datetime], Thing] = lambda *_: {}


class Change(Struct, frozen=True):
    """What became of one thing; `before` is None for a new one, `after` for one that is gone."""

    section: str
    id: str
    before: Thing | None
    after: Thing | None


def state_of(model: AccessModel, at: datetime, *, sections: Iterable[str] = (), owner: str = "") -> State:
    """
    Args:
        at: the clock, for keys that expire without a fact.
        sections: '' of them all.
        owner: only what belongs to this user.
    """
    return {
        name: {id: SECTIONS[name].shown(model, id, at) for id in SECTIONS[name].ids(model, owner)}
        for name in sections or SECTIONS
    }


def changes(
    before: AccessModel,
    then: datetime,
    after: AccessModel,
    at: datetime,
    *,
    sections: Iterable[str] = (),
    owner: str = "",
) -> Iterator[Change]:
    """From one state to another; said in this order, the one becomes the other.

    Args:
        then, at: the clocks of the two; a key may have expired between them without a fact.
        sections, owner: see `state_of`.
    """
    for name in sections or SECTIONS:
        section = SECTIONS[name]
        left = dict.fromkeys(section.ids(before, owner))
        for id in section.ids(after, owner):
            there = id in left
            left.pop(id, None)
            old, new = section.shown(before, id, then) if there else None, section.shown(after, id, at)
            if old != new:
                yield Change(name, id, old, new)
        for id in left:
            yield Change(name, id, section.shown(before, id, then), None)


class _Life(Protocol):
    @property
    def deleted(self) -> bool: ...
    @property
    def active(self) -> bool: ...
    @property
    def was_active(self) -> bool: ...


def standing(user: _Life) -> Literal["active", "inactive", "pending", "deleted"]:
    """Of a user who is not erased."""
    if user.deleted:
        return "deleted"
    if user.active:
        return "active"
    return "inactive" if user.was_active else "pending"


# people


def _users(model: AccessModel, owner: str) -> Iterable[str]:
    return model.users if not owner else [owner] if owner in model.users else []


def _user(model: AccessModel, user_id: str, at: datetime) -> Thing:
    user = model.users[user_id]
    return {
        "id": user_id,
        "provider": user.provider,
        "state": "erased" if user.erased else standing(user),
        "isActive": user.active,
        "isAdmin": user.admin,
        "isAuditor": user.auditor,
        "hasPassword": bool(user.password),
        "memberships": len(user.memberships),
        "exposureMode": user.exposure_mode,
    }


def _user_counts(model: AccessModel, user_id: str, at: datetime) -> Thing:
    usable = sum(key.usable(at) for key in model.keys_of.get(user_id, {}).values())
    return {"keyCount": usable, "groupCount": len(model.groups_of.get(user_id, {}))}


# keys


def _keys(model: AccessModel, owner: str) -> Iterable[str]:
    return model.keys_of.get(owner, {}) if owner else model.keys


def _key(model: AccessModel, key_id: str, at: datetime) -> Thing:
    key = model.keys[key_id]
    return {
        "id": key_id,
        "userId": key.user_id,
        "name": key.name,
        "description": key.description,
        "maskedKey": f"{PREFIX}{key.prefix}…{key.last4}",
        "state": key_standing(at, revoked=key.revoked, expires_at=key.expires_at, grace_until=key.grace_until),
        "headerOnly": key.header_only,
        "scope": _scope(model, key.scope),
        "createdAt": key.issued_at,
        "expiresAt": key.expires_at,
        "used": key.used,
    }


def _scope(model: AccessModel, scope: Scope | None) -> Thing | None:
    if scope is None:
        return None
    servers = scope.servers
    if servers is not None:
        servers = [model.servers[server].name for server in servers if server in model.servers]
    return {"servers": servers, "groups": scope.groups, "mode": scope.mode}


# groups


def _groups(model: AccessModel, owner: str) -> Iterator[str]:
    owners = [owner] if owner else list(model.groups_of)
    return (f"{user_id}/{group_id}" for user_id in owners for group_id in model.groups_of.get(user_id, {}))


def _group(model: AccessModel, id: str, at: datetime) -> Thing:
    user_id, _, group_id = id.rpartition("/")
    group: Group = model.groups_of[user_id][group_id]
    found = [(ref, model.resolve(ref)) for ref in model.named_by(group)]
    return {
        "id": group_id,
        "userId": user_id,
        "name": group.name,
        "slug": group.slug,
        "description": group.description,
        "servers": [server.name for _, server in found if server is not None],
        "missingServers": [ref.name for ref, server in found if server is None],
        "isActive": group.active,
        "createdAt": group.created_at,
        "updatedAt": group.updated_at,
    }


# values


def _values(model: AccessModel, owner: str) -> Iterator[str]:
    owners = [owner] if owner else list(model.credentials)
    return (
        f"{user_id}/{server_id}/{variable}"
        for user_id in owners
        for server_id, stored in model.credentials.get(user_id, {}).items()
        for variable in stored
    )


def _value(model: AccessModel, id: str, at: datetime) -> Thing:
    user_id, server_id, variable = id.split("/", 2)
    server = model.servers.get(server_id)
    slot = server.slots.get(variable) if server is not None else None
    stored = model.credentials[user_id][server_id][variable]
    return {
        "userId": user_id,
        "server": server.name if server is not None else model.settings.removed.get(server_id, ""),
        "variable": slot.name if slot is not None else variable,
        "savedAt": stored.saved_at,
        "version": stored.position,
    }


# servers, their tools, and the settings beside them


def _servers(model: AccessModel, owner: str) -> Iterable[str]:
    return [] if owner else model.settings.order


def _server(model: AccessModel, server_id: str, at: datetime) -> Thing:
    server = model.servers[server_id]
    return {
        "id": server_id,
        "name": server.name,
        "slug": server.slug,
        "type": server.spec.type,
        "isEnabled": server.enabled,
        "isolation": server.spec.isolation,
        "audience": objects(server.config, "mcphub").get("audience", EVERYONE),
        "availableTo": server.audience.described(),
        "variables": [slot.name for slot in server.slots.values()],
        "config": server.config,
        "version": server.changed_at,
    }


def _server_counts(model: AccessModel, server_id: str, at: datetime) -> Thing:
    return {"toolCount": len(recorded_tools(model, model.servers[server_id]))}


def _tools(model: AccessModel, owner: str) -> Iterator[str]:
    living = [] if owner else [server_id for server_id in model.settings.order if server_id in model.tools]
    return (f"{server_id}/{tool}" for server_id in living for tool in model.tools[server_id].tools)


def _tool(model: AccessModel, id: str, at: datetime) -> Thing:
    server_id, _, name = id.partition("/")
    server, record = model.servers[server_id], model.tools[server_id].tools[name]
    newest = record.newest
    state = model.offered(server, "tools", name, newest.hash)
    return {
        "server": server.name,
        "name": name,
        "givenName": server.given_names.get(name),
        "state": "withdrawn" if record.withdrawn else state,
        "definition": newest.hash,
        "firstSeen": record.first_seen,
        "changedAt": record.changed_at,
    }


def _settings(model: AccessModel, owner: str) -> Iterable[str]:
    return [] if owner else ["settings"]


def _setting(model: AccessModel, id: str, at: datetime) -> Thing:
    settings = model.settings
    return {
        "systemConfig": settings.system_config,
        "preserved": settings.preserved,
        "members": list(settings.members),
        "order": [settings.servers[server].name for server in settings.order],
    }


def _hub_variables(model: AccessModel, owner: str) -> Iterable[str]:
    return [] if owner else model.hub_variables.stored


def _hub_variable(model: AccessModel, name: str, at: datetime) -> Thing:
    stored = model.hub_variables.stored[name]
    return {"name": name, "savedAt": stored.saved_at, "version": stored.position}


SECTIONS: dict[str, Section] = {
    "users": Section(_users, _user, _user_counts),
    "groups": Section(_groups, _group),
    "keys": Section(_keys, _key),
    "values": Section(_values, _value),
    "servers": Section(_servers, _server, _server_counts),
    "tools": Section(_tools, _tool),
    "settings": Section(_settings, _setting),
    "hubVariables": Section(_hub_variables, _hub_variable),
}
