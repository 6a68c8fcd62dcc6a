"""The hub as it was: when, what there was, and what would have been decided. Read only, and never a secret.

What people are called is what they are called now, and whoever is erased by now is erased in the past as well: of them
only their id and what became of it are shown.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TypeVar

from msgspec import Struct

from mcphub.api.problems import Problem, invalid
from mcphub.api.services import Services
from mcphub.domain.access import AccessModel
from mcphub.domain.entitlement import Entitled, recorded_tools, who_could
from mcphub.domain.state import SECTIONS, Change, Thing, changes
from mcphub.projections.history import History, Moment, NoSuchTime, read_time

Answer = TypeVar("Answer")

MOST_WAITING = 8  # questions of one user
FORGOTTEN_S = 600.0  # after the last question


class Part(Struct, frozen=True):
    """Some things of a section, and how many there are of what was asked for."""

    count: int
    things: list[Thing]


class Differing(Struct, frozen=True):
    """Some changes, from so many on, and how many there are by section."""

    counts: Counter[str]
    changes: list[Change]


class Past:
    """Questions about it, one at a time and in a thread, as each may take seconds of the interpreter."""

    def __init__(self, services: Services, history: History) -> None:
        self._services = services
        self._history = history
        self._turn = asyncio.Lock()
        self._asking: Counter[str] = Counter()
        self._forgetting: asyncio.TimerHandle | None = None

    async def moment(self, at: str, pointer: str = "/at") -> Moment:
        """
        Args:
            at: a position, a time, or '' for now.
            pointer: the parameter, for who has to mend it.

        Raises:
            Problem: 422, it is neither, or has not come yet.
        """
        try:
            wanted = read_time(at)
            return await asyncio.to_thread(self._history.moment, wanted)
        except NoSuchTime as error:
            where = (pointer, "no_such_time", str(error))
            raise invalid(f"There is no such time: {error}.", where, code="no_such_time") from None

    async def ask(self, user_id: str, moments: Iterable[Moment], question: Callable[..., Answer]) -> Answer:
        """What the question says to the models as of these moments, in another thread.

        Args:
            user_id: who asks.

        Raises:
            Problem: 429, they asked for too much at once.
        """
        if self._asking[user_id] >= MOST_WAITING:
            raise Problem(
                429, "rate_limited", "Too many questions about the past at once.", "Wait for an answer.", retry_after=2
            )
        self._asking[user_id] += 1
        try:
            async with self._turn:
                positions = [moment.position for moment in moments]
                return await asyncio.to_thread(self._history.ask_of, positions, question)
        finally:
            self._asking[user_id] -= 1
            if not self._asking[user_id]:
                del self._asking[user_id]
            self._remember()

    def gone(self) -> frozenset[str]:
        """Ids of the users who are erased by now."""
        return frozenset(user.user_id for user in self._services.model.users.values() if user.erased)

    def _remember(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._forgetting = asyncio.get_running_loop().call_later(FORGOTTEN_S, self._forget)

    def _forget(self) -> None:
        asyncio.get_running_loop().run_in_executor(None, self._history.forget)


# questions, in the thread


def part(
    model: AccessModel,
    at: datetime,
    section: str,
    *,
    owner: str = "",
    gone: frozenset[str] = frozenset(),
    matches: Callable[[Thing], bool] | None = None,
    begin: int = 0,
    size: int | None = None,
) -> Part:
    """
    Args:
        owner: only of this user.
        gone: users of whom nothing but that they were there is to be seen.
        matches: which are wanted; None for all.
        begin, size: how many are left out before, and how many shown.
    """
    found = SECTIONS[section]
    ids = list(found.ids(model, owner))
    if section == "users":
        ids.reverse()  # the newest first, as everywhere
    end = None if size is None else begin + size

    def thing(id: str) -> Thing:
        return _veiled(section, found.shown(model, id, at) | found.counted(model, id, at), gone)

    if matches is None and not (gone and section in OWNED):
        return Part(len(ids), [thing(id) for id in ids[begin:end]])
    things = map(thing, ids)
    kept = [
        one
        for one in things
        if (section not in OWNED or one["userId"] not in gone) and (matches is None or matches(one))
    ]
    return Part(len(kept), kept[begin:end])


def differing(
    before: AccessModel,
    after: AccessModel,
    *,
    then: datetime,
    at: datetime,
    sections: Iterable[str] = (),
    owner: str = "",
    gone: frozenset[str] = frozenset(),
    begin: int = 0,
    size: int | None = None,
) -> Differing:
    """See `part`."""
    counts: Counter[str] = Counter()
    found: list[Change] = []
    for change in changes(before, then, after, at, sections=sections, owner=owner):
        thing = change.after or change.before or {}
        if change.section in OWNED and thing["userId"] in gone:
            continue
        if change.section == "users" and change.id in gone:
            shown = [_veiled("users", one, gone) if one else None for one in (change.before, change.after)]
            change = Change("users", change.id, *shown)
            if change.before == change.after:
                continue
        if counts.total() >= begin and (size is None or len(found) < size):
            found.append(change)
        counts[change.section] += 1
    return Differing(counts, found)


def entitled_then(model: AccessModel, server: str, tool: str, at: datetime) -> tuple[str, bool, list[Entitled]] | None:
    """(the server's name, was the tool on the record, everybody); None when there was no such server."""
    found = model.settings.by_name(server) or model.settings.by_slug(server)
    if found is None:
        return None
    recorded = any(one.name == tool for one in recorded_tools(model, found))
    return found.name, recorded, list(who_could(model, found, tool, at))


OWNED = frozenset({"groups", "keys", "values"})
ERASED = {"state": "erased", "hasPassword": False, "memberships": 0, "keyCount": 0, "groupCount": 0}


def _veiled(section: str, thing: Thing, gone: frozenset[str]) -> Thing:
    """Of somebody who is erased by now only that they are."""
    if section == "users" and thing["id"] in gone:
        return thing | {name: value for name, value in ERASED.items() if name in thing}
    return thing
