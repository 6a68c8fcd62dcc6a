"""The names behind user ids, opened when somebody looks, in memory only, and gone with an erasure.

Search by name cannot be SQL, because names are sealed; this is what it searches.
"""

import asyncio
from collections.abc import Iterable, Sequence

from msgspec import UNSET, Struct
from msgspec.structs import asdict, replace

from mcphub.domain.codec import Recorded
from mcphub.domain.events import UserErased, UserProfileSynced, UserRegistered
from mcphub.domain.vault import Vault

USERNAME, DISPLAY_NAME, EMAIL = "profile.username", "profile.display_name", "profile.email"


def purpose(field: str) -> str:
    """What a piece of somebody's profile is sealed for."""
    return f"profile.{field}"


class Names(Struct, frozen=True):
    """Who somebody is to people; what stands after `email` only somebody who signs in elsewhere has."""

    username: str
    display_name: str
    email: str
    login: str = ""
    avatar_url: str = ""
    profile_url: str = ""

    def matches(self, needle: str) -> bool:
        return any(needle in value.casefold() for value in (self.username, self.display_name, self.email, self.login))


GONE = Names("erased user", "", "")


class Directory:
    """User id → names. Facts come in on the loop's thread; opening happens in another."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._sealed: dict[str, Names] = {}
        self._opened: dict[str, Names] = {}

    def facts_applied(self, facts: Sequence[Recorded]) -> None:
        """The tail's sink."""
        for recorded in facts:
            match recorded.event:
                case UserRegistered() as event:
                    self._sealed[event.user_id] = Names(*(getattr(event, name) for name in Names.__struct_fields__))
                    self._opened.pop(event.user_id, None)
                case UserProfileSynced() as event if event.user_id in self._sealed:
                    given = {name: getattr(event, name, UNSET) for name in Names.__struct_fields__}
                    changed = {name: value for name, value in given.items() if value is not UNSET}
                    self._sealed[event.user_id] = replace(self._sealed[event.user_id], **changed)
                    self._opened.pop(event.user_id, None)
                case UserErased(user_id=user):
                    self._sealed.pop(user, None)
                    self._opened.pop(user, None)

    async def names(self, user_ids: Iterable[str]) -> dict[str, Names]:
        """The names of these users; an erased or unknown one is called so."""
        wanted = set(user_ids)
        while missing := [user for user in wanted if user in self._sealed and user not in self._opened]:
            sealed = {user: self._sealed[user] for user in missing}
            opened = await asyncio.to_thread(self._open, sealed)
            # What changed meanwhile is opened again, and what was erased is gone.
            self._opened |= {user: names for user, names in opened.items() if self._sealed.get(user) is sealed[user]}
        return {user: self._opened.get(user, GONE) for user in wanted}

    async def name(self, user_id: str) -> Names:
        return (await self.names([user_id]))[user_id]

    async def search(self, text: str) -> set[str]:
        """Ids of users whose name, display name or e-mail holds the text."""
        needle = text.casefold()
        everybody = await self.names(list(self._sealed))
        return {user for user, names in everybody.items() if names.matches(needle)}

    def sealed(self, user_id: str) -> Names | None:
        """As it stands in the facts; None for nobody."""
        return self._sealed.get(user_id)

    def _open(self, sealed: dict[str, Names]) -> dict[str, Names]:
        return {
            user: Names(
                **{name: self._vault.open_personal(value, user, purpose(name)) for name, value in asdict(names).items()}
            )
            for user, names in sealed.items()
        }
