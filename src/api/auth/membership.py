"""Once a day each provider is asked what its users belong to: who is no longer in its allow-list is locked out, and who
belongs to other organisations, teams or groups than before sees other servers.

Decided in docs/decisions/0006-daily-look-at-memberships.md and 0008-memberships-as-digests.md.
"""

import asyncio
from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta

import structlog

from mcphub.api.auth.grants import Grant, Grants
from mcphub.api.auth.providers import MOST_MEMBERSHIPS, NotAMember, Provider, ProviderFailed, Vouched
from mcphub.api.services import Services
from mcphub.domain.access import User
from mcphub.domain.actor import acting, system
from mcphub.domain.audience import Membership
from mcphub.domain.errors import LastAdmin
from mcphub.domain.sign_in import NoteMemberships, ShutOut
from mcphub.domain.vault import Vault

log = structlog.get_logger()

ROUND_SECONDS = 300.0
DAY, SOON = 24.0, 1.0  # hours until the next look: after an answer, after none
PATIENCE = timedelta(hours=72)  # since the last answer, while the provider gives none


def digests(vault: Vault, user_id: str, issuer: str, memberships: Collection[Membership] | None) -> list[str] | None:
    """What facts say of a user's memberships; None when the provider did not say."""
    if memberships is None:
        return None
    if len(memberships) > MOST_MEMBERSHIPS:
        log.warning("memberships_cut", user_id=user_id, memberships=len(memberships), kept=MOST_MEMBERSHIPS)
    kept = sorted(memberships)[:MOST_MEMBERSHIPS]
    return sorted(vault.membership(user_id, issuer, one.kind, one.name) for one in kept)


class DailyLook:
    """The role. Two hubs on one database share the work."""

    def __init__(self, services: Services, providers: Iterable[Provider]) -> None:
        self._services = services
        self._providers = {provider.settings.issuer: provider for provider in providers}
        self._grants = Grants(services.vault, services.write)

    async def round(self) -> None:
        """Asks for everybody whose day is over: whom an allow-list let in, and of whom memberships are known."""
        kept = []
        for issuer, users in self._by_issuer().items():
            asked = [user for user in users if self._guarded(issuer) or user.memberships]
            # Somebody who waits for an administrator keeps what the first sign-in gave.
            kept += [(user.user_id, issuer) for user in asked if user.active or not (user.was_active or user.deleted)]
            active = [user.user_id for user in asked if user.active]
            await asyncio.to_thread(self._grants.expect, issuer, active)
            while due := await asyncio.to_thread(self._grants.due, issuer, active):
                for grant in due:
                    await self._look(issuer, grant)
        await asyncio.to_thread(self._grants.keep_only, kept)

    def _by_issuer(self) -> dict[str, list[User]]:
        found: dict[str, list[User]] = {}
        for user in self._services.model.users.values():
            if user.identity:
                found.setdefault(user.issuer, []).append(user)
        return found

    def _guarded(self, issuer: str) -> bool:
        """Does an allow-list say who of this provider may come? Without one nobody is locked out."""
        provider = self._providers.get(issuer)
        return provider is not None and bool(provider.settings.allow)

    async def _look(self, issuer: str, grant: Grant) -> None:
        user = self._services.model.users[grant.user_id]
        token = await asyncio.to_thread(self._grants.open, grant)
        try:
            vouched = await self._ask(issuer, user, token)
        except NotAMember:
            await self._shut_out(user, grant, "not_a_member")
        except ProviderFailed as failed:
            log.warning("membership_not_confirmed", user_id=user.user_id, issuer=issuer, why=str(failed))
            await self._unanswered(issuer, user, grant, failed, failed.grant or token)
        else:
            await self._answered(user, grant, vouched)

    async def _ask(self, issuer: str, user: User, token: str) -> Vouched:
        """
        Raises:
            NotAMember, ProviderFailed: as Provider.again.
        """
        provider = self._providers.get(issuer)
        if provider is None:
            raise ProviderFailed("it is no longer configured")
        if not token:
            raise ProviderFailed("there is nothing to ask with", final=True)
        vouched = await provider.again(token)
        if self._services.vault.identity(issuer, vouched.person.subject) != user.identity:
            raise ProviderFailed("the provider speaks of somebody else", final=True)
        return vouched

    async def _answered(self, user: User, grant: Grant, vouched: Vouched) -> None:
        """The provider may vouch for somebody and not say what they belong to: that is known for a while longer."""
        said = digests(self._services.vault, user.user_id, grant.issuer, vouched.memberships)
        if said is None and _since(grant.listed_at) > PATIENCE:
            said = []
        recorded = False
        try:
            if said is not None:
                await self._note(user, said)
            recorded = True
        finally:  # the token was spent, and the new one is not to be lost
            listed = recorded and vouched.memberships is not None
            hours = DAY if recorded and (said is not None or not user.memberships) else SOON
            await asyncio.to_thread(self._grants.settle, grant, vouched.grant, seen=True, listed=listed, hours=hours)

    async def _unanswered(self, issuer: str, user: User, grant: Grant, failed: ProviderFailed, token: str) -> None:
        guarded = self._guarded(issuer)
        if failed.final or _since(grant.seen_at if guarded else grant.listed_at) > PATIENCE:
            if guarded:
                await self._shut_out(user, grant, "membership_unconfirmed")
                return
            await self._note(user, [])
            await asyncio.to_thread(self._grants.drop, user.user_id)
            return
        if _since(grant.listed_at) > PATIENCE:
            await self._note(user, [])
        await asyncio.to_thread(self._grants.settle, grant, token, seen=False, hours=SOON)

    async def _note(self, user: User, said: list[str]) -> None:
        if frozenset(said) == user.memberships:
            return
        with acting(system("membership")):
            await self._services.commands.run(lambda: NoteMemberships(user.user_id, said))
        log.info("memberships_changed", user_id=user.user_id, memberships=len(said))

    async def _shut_out(self, user: User, grant: Grant, reason: str) -> None:
        """The last administrator stays in, belongs to nothing, and is asked for again tomorrow."""
        try:
            with acting(system("membership")):
                await self._services.commands.run(lambda: ShutOut(user.user_id, reason))
        except LastAdmin:
            log.warning("membership_of_last_admin", user_id=user.user_id, reason=reason)
            await self._note(user, [])
            token = await asyncio.to_thread(self._grants.open, grant)
            await asyncio.to_thread(self._grants.settle, grant, token, seen=False, hours=DAY)
            return
        log.info("user_shut_out", user_id=user.user_id, reason=reason)
        await asyncio.to_thread(self._grants.drop, user.user_id)


def _since(at: datetime) -> timedelta:
    return datetime.now(UTC) - at
