"""What the hub asks a server on behalf of somebody, outside any call: its lists, a greeting, a subscription."""

from contextlib import suppress
from datetime import UTC, datetime

import structlog

from mcphub.domain.access import AccessModel
from mcphub.domain.settings_state import ServerState
from mcphub.gateway import errors, wire
from mcphub.gateway.errors import Answer, ServerFailed
from mcphub.gateway.failures import code_of, explained
from mcphub.gateway.injection import Injector
from mcphub.gateway.kinds import Offer
from mcphub.gateway.router import MOST_PAGES, Fetched
from mcphub.gateway.session import Asker, Limits, Session
from mcphub.gateway.telling import telling
from mcphub.gateway.upstream.runtime import Pool, Reply, UpstreamBroken
from mcphub.gateway.upstream.stderr import secrets_of

log = structlog.get_logger()

MOST_ITEMS = 50_000  # of one kind that a server may have
MOST_BYTES = 64 * 1024 * 1024  # of their definitions together


class Aside:
    """One for all sessions. Nothing of it is a call, so none of it has a row."""

    def __init__(self, model: AccessModel, pool: Pool, injector: Injector, limits: Limits) -> None:
        self._model = model
        self._pool = pool
        self._injector = injector
        self._limits = limits

    async def open_server(self, asker: Asker, server: ServerState, request_id: str) -> bytes:
        """The InitializeResult of a server opened for the asker.

        Raises:
            Answer: it cannot be opened, and why.
        """
        identity = asker.identity(self._model, server.server_id)
        try:
            inject = await self._injector.prepare(server.spec, asker.principal.user_id)
            async with self._pool.lease(server.spec, identity, inject) as runtime:
                return runtime.initialize_result
        except Exception as error:
            raise explained(error, server, request_id, self._limits.public_url) from error

    async def attend(self, asker: Asker, server: ServerState) -> None:
        """Opens a server for somebody who wants to hear what it says by itself; failing is no news to them."""
        with suppress(Answer):
            await self.ask(asker, server, "ping", b"{}")

    async def ask(self, asker: Asker, server: ServerState, method: str, params: bytes) -> Reply:
        """A request of the hub itself on behalf of somebody, outside any call.

        Raises:
            Answer: it was not answered.
        """
        control = self._limits.control_timeout
        try:
            inject = await self._injector.prepare(server.spec, asker.principal.user_id)
            async with self._pool.lease(server.spec, asker.identity(self._model, server.server_id), inject) as runtime:
                return await runtime.call(
                    method, params, None, timeout=control, reset_on_progress=False, max_total=control
                )
        except Exception as error:
            told = explained(error, server, "aside", self._limits.public_url)
            raise told if isinstance(told, Answer) else error from error

    async def subscribe_again(self, session: Session) -> None:
        """After a restart the upstreams are new ones, and know nothing of what the client subscribed to.

        What the session may no longer see is left alone.
        """
        reasons = self._model.reasons(session.principal, session.asker.view, datetime.now(UTC))
        for (server_id, uri), _ in list(session.subscriptions.items()):
            server = self._model.servers.get(server_id)
            if server is None or reasons.get(server_id) != "allowed":
                continue
            try:
                await self.ask(session.asker, server, "resources/subscribe", b'{"uri":' + wire.encode(uri) + b"}")
            except Exception as error:
                log.warning("subscription_lost", server=server.slug, why=type(error).__name__)

    async def everything(self, asker: Asker, server: ServerState, offer: Offer) -> Fetched:
        """Everything of a kind that a server has, page by page; nothing when it has no such kind.

        Raises:
            Answer: it cannot be listed.
        """
        identity = asker.identity(self._model, server.server_id)
        control = self._limits.control_timeout
        found: list[bytes] = []
        size = 0
        try:
            inject = await self._injector.prepare(server.spec, asker.principal.user_id)
            async with self._pool.lease(server.spec, identity, inject) as runtime:
                params = b"{}"
                for _ in range(MOST_PAGES):
                    reply = await runtime.call(
                        offer.list_method, params, None, timeout=control, reset_on_progress=False, max_total=control
                    )
                    if reply.error is not None:
                        if code_of(reply.error) == str(errors.METHOD_NOT_FOUND):
                            return Fetched([])
                        raise UpstreamBroken(f"it answered {offer.list_method} with error {code_of(reply.error)}")
                    size += len(reply.result or b"")
                    page = wire.members(reply.result or b"")
                    found += wire.items(bytes(page.get(offer.member, b"[]")))
                    if len(found) > MOST_ITEMS or size > MOST_BYTES:
                        raise UpstreamBroken(f"its list is longer than {MOST_ITEMS} items or {MOST_BYTES} bytes")
                    cursor = wire.text(page, "nextCursor")
                    if cursor is None:
                        break
                    params = b'{"cursor":' + wire.encode(cursor) + b"}"
        except wire.Unreadable:
            raise self._unlisted(UpstreamBroken(f"its answer to {offer.list_method} cannot be read"), server) from None
        except Exception as error:
            raise self._unlisted(error, server) from error
        return Fetched(found, telling(lambda: secrets_of(server.spec, inject())))

    def _unlisted(self, why: Exception, server: ServerState) -> Exception:
        failure = explained(why, server, "list", self._limits.public_url)
        if isinstance(failure, ServerFailed):
            failure.server = server.spec.slug
            failure.told = lambda request_id: explained(why, server, request_id, self._limits.public_url)
        return failure
