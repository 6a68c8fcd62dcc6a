"""What facts would mean if they were recorded, for whom: asked of the state they would come to, before they are."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from eventsourcing.dcb.domain import Tagged

from mcphub.api.schemas import Out
from mcphub.api.services import Services
from mcphub.domain.access import AccessModel
from mcphub.domain.impact import UserImpact, impact, with_facts
from mcphub.domain.rehearsal import KINDS, Rehearsed, rehearse
from mcphub.gateway.everywhere import merged
from mcphub.projections.history import History
from mcphub.projections.requests import Requests

MOST_USERS = 50  # told one by one
MOST_TOOLS = 20  # named of each list
MOST_REFUSED = 100  # kinds of calls told one by one


class Names(Out, kw_only=True):
    """So many, and the first of them by name."""

    count: int
    names: list[str]


class AffectedUser(Out, kw_only=True):
    """What a user gains and loses, and how many MCP sessions of theirs are open at this hub. Tools are those on the
    record, by the name they have on the aggregate.
    """

    user_id: str
    user_name: str
    sessions: int
    servers_gained: Names
    servers_lost: Names
    tools_gained: Names
    tools_lost: Names


class Affected(Out, kw_only=True):
    """For how many users something differs, the sessions they have open, and the first of them: who loses most."""

    users: int
    sessions: int
    first: list[AffectedUser]


class RefusedCalls(Out, kw_only=True):
    """So many calls of one user to one thing that would have been refused, and why; `last` is when the last came in."""

    user_id: str
    user_name: str
    server: str
    tool: str
    method: str
    reason: str
    calls: int
    last: datetime


class Refusals(Out, kw_only=True):
    """Of `calls` that were let through since `since`, `refused` would not have been, of so many users; the first by
    number. `already` more are refused as things are now, with the change or without.
    """

    since: datetime
    calls: int
    refused: int
    users: int
    already: int
    first: list[RefusedCalls]


class Rehearsal:
    """Questions about what is not recorded yet."""

    def __init__(self, services: Services, history: History, requests: Requests) -> None:
        self._services = services
        self._history = history
        self._requests = requests

    async def head(self) -> int:
        """Where the ledger stands: what is found out after this is at least as new."""
        return (await asyncio.to_thread(self._history.moment, None)).position

    async def affected(self, decisions: Sequence[Tagged[Any]], position: int) -> Affected:
        """
        Args:
            decisions: of a command that was rehearsed.
            position: of the state it would be recorded behind.
        """
        now = datetime.now(UTC)

        def found(model: AccessModel) -> list[UserImpact]:
            return impact(model, with_facts(model, decisions, now), now)

        users: list[UserImpact] = await asyncio.to_thread(self._history.ask, position, found)
        users.sort(key=lambda one: (-len(one.tools_lost), -len(one.tools_gained), one.user_id))
        open_ = Counter(found.session.user_id for found in merged(await self._services.gateway.sessions_everywhere()))
        names = await self._services.directory.names(one.user_id for one in users[:MOST_USERS])
        return Affected(
            users=len(users),
            sessions=sum(open_[one.user_id] for one in users),
            first=[
                AffectedUser(
                    user_id=one.user_id,
                    user_name=names[one.user_id].username,
                    sessions=open_[one.user_id],
                    servers_gained=_some(one.servers_gained),
                    servers_lost=_some(one.servers_lost),
                    tools_gained=_some(one.tools_gained),
                    tools_lost=_some(one.tools_lost),
                )
                for one in users[:MOST_USERS]
            ],
        )

    async def refusals(self, decisions: Sequence[Tagged[Any]], position: int, days: int) -> Refusals:
        """Which calls of the last days would have been refused, had it been so.

        Args:
            decisions, position: as in `affected`.
        """
        now = datetime.now(UTC)
        since = now - timedelta(days=days)
        made = await self._requests.made(since, list(KINDS))

        def found(model: AccessModel) -> Rehearsed:
            return rehearse(model, with_facts(model, decisions, now), made, now)

        seen: Rehearsed = await asyncio.to_thread(self._history.ask, position, found)
        first = seen.refused[:MOST_REFUSED]
        names = await self._services.directory.names({one.made.user_id for one in first})
        return Refusals(
            since=since,
            calls=seen.calls,
            refused=sum(one.made.calls for one in seen.refused),
            users=len({one.made.user_id for one in seen.refused}),
            already=seen.already,
            first=[
                RefusedCalls(
                    user_id=one.made.user_id,
                    user_name=names[one.made.user_id].username,
                    server=one.made.server,
                    tool=one.made.tool,
                    method=one.made.method,
                    reason=one.reason,
                    calls=one.made.calls,
                    last=one.made.last,
                )
                for one in first
            ],
        )


def _some(names: Sequence[str]) -> Names:
    return Names(count=len(names), names=list(names[:MOST_TOOLS]))
