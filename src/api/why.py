"""Why a user may, or may not, use a server or a tool; now or at any time."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from psycopg_pool import AsyncConnectionPool

from mcphub.api.auth.accounts import name_digest
from mcphub.api.past import Past
from mcphub.api.problems import not_found
from mcphub.api.services import Services
from mcphub.domain.access import ALL, AccessModel, Capability, Principal, Reason, View, decide
from mcphub.domain.entitlement import missing_values, recorded_tools
from mcphub.domain.settings_state import ServerState
from mcphub.domain.vault import Vault
from mcphub.domain.why import Why, depends_on, why
from mcphub.gateway.addresses import view_of
from mcphub.projections.facts import facts_of
from mcphub.projections.history import Moment

# What is said of a decision; the interface has its own words for each.
SAID: dict[Reason, str] = {
    "allowed": "The user may use it.",
    "unknown_user": "There is no such user.",
    "user_inactive": "The user is locked out, or was never let in.",
    "key_unusable": "The key is revoked or has ended.",
    "unknown_server": "There is no such server.",
    "server_disabled": "The server is switched off.",
    "not_in_audience": "The server is not meant for the user.",
    "outside_key_scope": "The key is narrowed to other servers.",
    "outside_view": "The address shows something else only.",
    "no_active_group": "The user has groups, and none of them is active.",
    "not_in_active_group": "None of the user's active groups has the server.",
    "switched_off": "The tool is switched off.",
    "quarantined": "The tool says something else than before, and waits for approval.",
}


class Asked(Struct, frozen=True, kw_only=True):
    """What is asked about. `server` is its name or slug, also one it had; `tool` any of its names, '' for none."""

    user_id: str
    server: str
    tool: str = ""
    key_id: str = ""
    url: str = "/mcp"


class Subject(Struct, frozen=True):
    """What it was at the time."""

    server_id: str
    server: str
    tool: str
    definition: str
    view: View
    reason: Reason
    missing: tuple[str, ...]


class Explained(Struct, frozen=True):
    """A decision, when it was asked about, and what it was about."""

    moment: Moment
    subject: Subject
    why: Why


class WhyService:
    """Answers for administrators, who see every server."""

    def __init__(self, services: Services, past: Past) -> None:
        self._services = services
        self._past = past

    async def explain(self, asked: Asked, at: str, *, by: str) -> Explained:
        """
        Args:
            at: a position or a time; '' for now.
            by: id of who asks.

        Raises:
            Problem: 404, there was nothing of the name; 422, there is no such time.
        """
        moment = await self._past.moment(at)
        known = self._listed(asked) if not at else {}
        clock = datetime.now(UTC) if not at else moment.at
        subject = await self._past.ask(by, [moment], lambda model: subject_of(model, asked, clock, known))
        found = await explained(self._services.read, self._services.vault, asked, subject, moment.position, clock)
        return Explained(moment, subject, found)

    def _listed(self, asked: Asked) -> dict[str, str]:
        """Tool → hash of what the server says of it to this very user; of a user without a list nothing."""
        server = _named(self._services.model, asked.server)
        tools = self._services.gateway.known_tools(asked.user_id, server.server_id) if server is not None else None
        return {tool.name: tool.hash for tool in tools or ()}


async def explained(
    pool: AsyncConnectionPool[Any], vault: Vault, asked: Asked, subject: Subject, upto: int, clock: datetime
) -> Why:
    """The decision, and the fact that made it so.

    Args:
        upto: position of the last fact that counts.
        clock: of the decision.
    """
    facts = await facts_of(pool, depends_on(asked.user_id, subject.server_id))
    until = [fact for fact in facts if fact.position <= upto]
    principal = Principal(asked.user_id, asked.key_id)
    capability = Capability(subject.server_id, name=subject.tool, definition=subject.definition)

    def decided(model: AccessModel) -> Reason:
        return decide(model, principal, capability, clock, subject.view).reason

    empty = AccessModel(name_digest(vault), vault.membership)
    return await asyncio.to_thread(why, until, empty, decided)


def subject_of(model: AccessModel, asked: Asked, at: datetime, known: dict[str, str]) -> Subject:
    """
    Raises:
        Problem: 404, there was no such server, tool, key or address.
    """
    if asked.user_id not in model.users:
        raise not_found("There was no such user at that time.")
    if asked.key_id and asked.key_id not in model.keys_of.get(asked.user_id, {}):
        raise not_found("The user had no such key at that time.")
    principal = Principal(asked.user_id, asked.key_id)
    server = _named(model, asked.server)
    if server is None:
        server_id = next((id for id, name in model.settings.removed.items() if name == asked.server), "")
        if not server_id:
            raise not_found(f"There is no server {asked.server!r}.")
        reason = decide(model, principal, Capability(server_id), at).reason
        return Subject(server_id, asked.server, asked.tool, "", ALL, reason, ())
    view = view_of(model, asked.url, principal, at)
    if view is None:
        raise not_found("Nothing is at this address for the user.")
    tool, definition = _tool(model, server, asked.tool, known) if asked.tool else ("", "")
    capability = Capability(server.server_id, name=tool, definition=definition)
    reason = decide(model, principal, capability, at, view).reason
    missing = missing_values(model, asked.user_id, server)
    return Subject(server.server_id, server.name, tool, definition, view, reason, missing)


def _named(model: AccessModel, name: str) -> ServerState | None:
    return model.settings.by_name(name) or model.settings.by_slug(name)


def _tool(model: AccessModel, server: ServerState, name: str, known: dict[str, str]) -> tuple[str, str]:
    """(the server's own name of a tool, the hash of its definition)

    Raises:
        Problem: 404, the server never had a tool of any such name.
    """
    recorded = recorded_tools(model, server)
    found = next((one for one in recorded if name in (one.name, one.exposed, one.shown)), None)
    if found is not None:
        return found.name, known.get(found.name, found.hash)
    if name in known or server.override("tools", name):
        return name, known.get(name, "")
    raise not_found(f"Server {server.name!r} has no tool {name!r}.")
