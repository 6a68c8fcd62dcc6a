"""The names behind user ids, opened when somebody looks, in memory only, and gone with an erasure.

Search by name cannot be SQL, because names are sealed; this is what it searches.
"""

import asyncio
from collections.abc import Iterable, Sequence

from msgspec import Struct

from mcphub.domain.codec import Recorded
from mcphub.domain.events import UserErased, UserRegistered
from mcphub.domain.vault import Vault

USERNAME, DISPLAY_NAME, EMAIL = "profile.username", "profile.display_name", "profile.email"


class Names(Struct, frozen=True):
    username: str
    display_name: str
    email: str

    def matches(self, needle: str) -> bool:
        return any(needle in value.casefold() for value in (self.username, self.display_name, self.email))


GONE = Names("erased user", "", "")


class Directory:
    """User id → names. Facts come in on the loop's thread; opening happens in another."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._sealed: dict[str, tuple[str, str, str]] = {}
        self._opened: dict[str, Names] = {}

    def facts_applied(self, facts: Sequence[Recorded]) -> None:
        """The tail's sink."""
        for recorded in facts:
            match recorded.event:
                case UserRegistered() as event:
                    self._sealed[event.user_id] = (event.username, event.display_name, event.email)
                    self._opened.pop(event.user_id, None)
                case UserErased(user_id=user):
                    self._sealed.pop(user, None)
                    self._opened.pop(user, None)

    async def names(self, user_ids: Iterable[str]) -> dict[str, Names]:
        """The names of these users; an erased or unknown one is called so."""
        wanted = set(user_ids)
        missing = [user for user in wanted if user in self._sealed and user not in self._opened]
        if missing:
            sealed = {user: self._sealed[user] for user in missing}
            opened = await asyncio.to_thread(self._open, sealed)
            self._opened |= {user: names for user, names in opened.items() if user in self._sealed}
        return {user: self._opened.get(user, GONE) for user in wanted}

    async def name(self, user_id: str) -> Names:
        return (await self.names([user_id]))[user_id]

    async def search(self, text: str) -> set[str]:
        """Ids of users whose name, display name or e-mail holds the text."""
        needle = text.casefold()
        everybody = await self.names(list(self._sealed))
        return {user for user, names in everybody.items() if names.matches(needle)}

    def _open(self, sealed: dict[str, tuple[str, str, str]]) -> dict[str, Names]:
        return {
            user: Names(
                self._vault.open_personal(name, user, USERNAME),
                self._vault.open_personal(display, user, DISPLAY_NAME),
                self._vault.open_personal(email, user, EMAIL),
            )
            for user, (name, display, email) in sealed.items()
        }
