"""Once a day each provider with an allow-list is asked whether its users are still members; who is not is locked out.

Decided in docs/decisions/0006-daily-look-at-memberships.md.
"""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import structlog

from mcphub.api.auth.grants import Grant, Grants
from mcphub.api.auth.providers import NotAMember, Provider, ProviderFailed
from mcphub.api.services import Services
from mcphub.domain.access import User
from mcphub.domain.actor import acting, system
from mcphub.domain.errors import LastAdmin
from mcphub.domain.sign_in import ShutOut

log = structlog.get_logger()

ROUND_SECONDS = 300.0
DAY, SOON = 24.0, 1.0  # hours until the next look: after an answer, after none
PATIENCE = timedelta(hours=72)  # since the last answer, while the provider gives none


class Membership:
    """The role. Two hubs on one database share the work."""

    def __init__(self, services: Services, providers: Iterable[Provider]) -> None:
        self._services = services
        self._providers = [provider for provider in providers if provider.settings.allow]
        self._grants = Grants(services.vault, services.write)

    async def round(self) -> None:
        """Asks for everybody whose day is over."""
        kept = []
        for provider in self._providers:
            issuer = provider.settings.issuer
            users = [user for user in self._services.model.users.values() if user.identity and user.issuer == issuer]
            # Somebody who waits for an administrator keeps what the first sign-in gave.
            kept += [(user.user_id, issuer) for user in users if user.active or not (user.was_active or user.deleted)]
            active = [user.user_id for user in users if user.active]
            await asyncio.to_thread(self._grants.expect, issuer, active)
            while due := await asyncio.to_thread(self._grants.due, issuer, active):
                for grant in due:
                    await self._look(provider, grant)
        await asyncio.to_thread(self._grants.keep_only, kept)

    async def _look(self, provider: Provider, grant: Grant) -> None:
        user = self._services.model.users[grant.user_id]
        token = await asyncio.to_thread(self._grants.open, grant)
        try:
            token = await self._ask(provider, user, token)
        except NotAMember:
            await self._shut_out(user, grant, "not_a_member")
        except ProviderFailed as failed:
            silent_for = datetime.now(UTC) - grant.seen_at
            log.warning(
                "membership_not_confirmed", user_id=user.user_id, provider=provider.settings.name, why=str(failed)
            )
            if failed.final or silent_for > PATIENCE:
                await self._shut_out(user, grant, "membership_unconfirmed")
            else:
                await asyncio.to_thread(self._grants.settle, grant, failed.grant or token, seen=False, hours=SOON)
        else:
            await asyncio.to_thread(self._grants.settle, grant, token, seen=True, hours=DAY)

    async def _ask(self, provider: Provider, user: User, token: str) -> str:
        """
        Raises:
            NotAMember, ProviderFailed: as Provider.again.
        """
        if not token:
            raise ProviderFailed("there is nothing to ask with", final=True)
        vouched = await provider.again(token)
        identity = self._services.vault.identity(provider.settings.issuer, vouched.person.subject)
        if identity != user.identity:
            raise ProviderFailed("the provider speaks of somebody else", final=True)
        return vouched.grant

    async def _shut_out(self, user: User, grant: Grant, reason: str) -> None:
        """The last administrator stays in, and is asked for again tomorrow."""
        try:
            with acting(system("membership")):
                await self._services.commands.run(lambda: ShutOut(user.user_id, reason))
        except LastAdmin:
            log.warning("membership_of_last_admin", user_id=user.user_id, reason=reason)
            token = await asyncio.to_thread(self._grants.open, grant)
            await asyncio.to_thread(self._grants.settle, grant, token, seen=False, hours=DAY)
            return
        log.info("user_shut_out", user_id=user.user_id, reason=reason)
        await asyncio.to_thread(self._grants.drop, user.user_id)
