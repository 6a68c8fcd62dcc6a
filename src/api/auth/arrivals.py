"""Somebody a provider vouches for becomes a session: registered the first time, known by the subject ever after."""

import asyncio
import re
import secrets
import unicodedata
from collections.abc import Iterator

from msgspec import Struct

from mcphub.api.auth.accounts import name_digest
from mcphub.api.auth.grants import Grants
from mcphub.api.auth.membership import digests
from mcphub.api.auth.providers import Person, Vouched
from mcphub.api.auth.sessions import Opened, act_as, open_session
from mcphub.api.auth.tokens import TokenSigner
from mcphub.api.incoming import incoming
from mcphub.api.services import Services
from mcphub.domain.actor import acting, system
from mcphub.domain.errors import IdentityKnown, LastAdmin, Refused, UserInactive, UsernameTaken
from mcphub.domain.ids import new_id
from mcphub.domain.sign_in import PROFILE, Identity, NoteMemberships, RegisterByProvider, ShutOut
from mcphub.domain.vault import Vault
from mcphub.projections.directory import USERNAME, purpose
from mcphub.settings import ProviderSettings

ATTEMPTS = 3  # two browsers of one person may come for the first time at once
FOLD_WITHIN = 1.0  # seconds
LONGEST_NAME = 56  # of 64; the rest is for a number
# Names the hub gives by itself: whoever is called so elsewhere shall not stand in their way.
RESERVED = {"admin", "demo"}


class Turned(Exception):
    """Vouched for, and not let in; `code` is for the error page."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Arrived(Struct, frozen=True):
    session: Opened
    first_time: bool


class Arrivals:
    """Takes people in."""

    def __init__(self, services: Services, signer: TokenSigner) -> None:
        self._services = services
        self._signer = signer
        self._grants = Grants(services.vault, services.write)

    async def arrive(self, provider: ProviderSettings, vouched: Vouched) -> Arrived:
        """
        Raises:
            Turned: locked out, or not let in yet.
            Refused, LedgerUnavailable: it could not be recorded.
        """
        services, person = self._services, vouched.person
        digest = services.vault.identity(provider.issuer, person.subject)
        for _ in range(ATTEMPTS):
            known = services.model.user_by_identity.get(digest)
            try:
                user_id = known or await self._register(provider, digest, vouched)
            except IdentityKnown:  # a moment ago, by another browser
                await services.tail.confirm(FOLD_WITHIN)
                continue
            return Arrived(await self._let_in(provider, user_id, vouched, first_time=known is None), known is None)
        raise IdentityKnown

    async def turn_away(self, provider: ProviderSettings, subject: str) -> None:
        """Locks out whom the allow-list no longer names: their keys end with it, too."""
        services = self._services
        user_id = services.model.user_by_identity.get(services.vault.identity(provider.issuer, subject))
        user = services.model.users.get(user_id or "")
        if user is None or not user.active:
            return
        with acting(system("membership", correlation_id=incoming().request_id)):
            try:
                await services.commands.run(lambda: ShutOut(user.user_id, "not_a_member"))
            except LastAdmin:
                await services.commands.run(lambda: NoteMemberships(user.user_id, ()))
                return
        await asyncio.to_thread(self._grants.drop, user.user_id)

    async def _let_in(self, provider: ProviderSettings, user_id: str, vouched: Vouched, *, first_time: bool) -> Opened:
        services = self._services
        if first_time:
            waits = not services.settings.lets_in_at_once(provider)
        else:
            waits = not services.model.users[user_id].was_active
        if waits:
            raise Turned("user_pending")
        # Before the session: whoever is in and of whom nothing is kept was never vouched for.
        if not first_time:
            await self._keep(provider, user_id, vouched)
        profile = {} if first_time else await self._changes(user_id, vouched.person)
        belongs = digests(services.vault, user_id, provider.issuer, vouched.memberships)
        try:
            return await open_session(services, self._signer, user_id, profile=profile, memberships=belongs)
        except UserInactive:
            await asyncio.to_thread(self._grants.drop, user_id)
            raise Turned("user_inactive") from None

    async def _keep(self, provider: ProviderSettings, user_id: str, vouched: Vouched) -> None:
        """Keeps by what to ask again, of those who will be asked for."""
        known = self._services.model.users.get(user_id)
        belongs = known is not None and known.memberships if vouched.memberships is None else vouched.memberships
        if provider.allow or belongs:
            listed = vouched.memberships is not None
            await asyncio.to_thread(self._grants.save, user_id, provider.issuer, vouched.grant, listed=listed)

    async def _changes(self, user_id: str, person: Person) -> dict[str, tuple[str, str]]:
        """What the provider says now and did not say before: field → (sealed before, sealed now)."""
        services = self._services
        sealed, names = services.directory.sealed(user_id), await services.directory.name(user_id)
        if sealed is None:
            return {}
        differing = [name for name in PROFILE if getattr(person, name) != getattr(names, name)]
        now = await asyncio.to_thread(_sealed, services.vault, user_id, person, differing)
        return {name: (getattr(sealed, name), now[name]) for name in differing}

    async def _register(self, provider: ProviderSettings, digest: str, vouched: Vouched) -> str:
        """
        Raises:
            IdentityKnown: somebody was faster, and it is the same person.
        """
        services, person, user_id = self._services, vouched.person, new_id()
        profile = await asyncio.to_thread(_sealed, services.vault, user_id, person, ("subject", *PROFILE))
        who = Identity(provider.kind, provider.issuer, digest, profile.pop("subject"))
        active = services.settings.lets_in_at_once(provider)
        act_as(user_id, source="ui")
        try:
            await self._keep(provider, user_id, vouched)
            belongs = digests(services.vault, user_id, provider.issuer, vouched.memberships) or []
            spoken_for = services.model.spoken_for()
            for name in usernames(person.login):
                name_is = name_digest(services.vault)(name)
                # A name that a server is meant for is given by an administrator, not by carrying it elsewhere.
                if name_is in services.model.user_by_name or name_is in spoken_for:
                    continue
                username = await asyncio.to_thread(services.vault.seal_personal, user_id, USERNAME, name)
                try:
                    await services.commands.run(
                        lambda: RegisterByProvider(
                            user_id,
                            name_is,  # noqa: B023
                            username,  # noqa: B023
                            who,
                            profile,
                            active=active,
                            memberships=belongs,
                        )
                    )
                except UsernameTaken:
                    continue
                return user_id
            raise UsernameTaken
        except Refused:
            await asyncio.to_thread(self._grants.drop, user_id)
            await asyncio.to_thread(services.vault.destroy_owner, user_id)
            raise


def usernames(login: str) -> Iterator[str]:
    """Names for somebody called so elsewhere, the plainest first; the last ones are nobody's."""
    kept = re.sub(r"[^\w.@-]+", "-", unicodedata.normalize("NFC", login).strip())[:LONGEST_NAME].strip("-") or "user"
    if kept.casefold() not in RESERVED:
        yield kept
    yield from (f"{kept}-{number}" for number in range(2, 10))
    yield from (f"{kept}-{secrets.token_hex(3)}" for _ in range(ATTEMPTS))


def _sealed(vault: Vault, user_id: str, person: Person, fields: tuple[str, ...] | list[str]) -> dict[str, str]:
    return {name: vault.seal_personal(user_id, purpose(name), getattr(person, name)) for name in fields}
