"""Who is calling, decided anew at every request, and what each route demands of them.

A route says `who=` in its options: PUBLIC, USER, AUDITOR or ADMIN. One that says nothing keeps the hub from starting
(`api/audiences.py`).
The token names a session and grants nothing: activity, role and the session's life are the access model's to say, and
when that cannot be confirmed, nobody gets in.
"""

import asyncio
from typing import Any

import psycopg
import structlog
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler
from msgspec import Struct
from psycopg_pool import PoolTimeout

from mcphub.api.auth.session_times import SessionTimes
from mcphub.api.auth.sessions import act_as, session_cookie, set_cookies
from mcphub.api.auth.tokens import BROWSER_SECONDS, Claims, TokenSigner
from mcphub.api.incoming import incoming
from mcphub.api.pages import prefers_html
from mcphub.api.problems import (
    Problem,
    admin_required,
    auditor_required,
    csrf_failed,
    invalid,
    key_not_allowed,
    not_authenticated,
    not_found,
    not_ready,
    session_ended,
    user_inactive,
    user_pending,
)
from mcphub.api.services import ORIGIN, Accepted, Origin, Services
from mcphub.domain.access import Principal
from mcphub.domain.keys import PREFIX

log = structlog.get_logger()

PUBLIC, USER, AUDITOR, ADMIN = "public", "user", "auditor", "admin"
SAFE = {"GET", "HEAD", "OPTIONS"}
CONFIRM_WITHIN = 1.0  # seconds for a look at the ledger's head, when the last one is too old


class Caller(Struct, frozen=True):
    """The signed-in user of this request."""

    user_id: str
    session_id: str
    admin: bool
    auditor: bool = False

    @property
    def reads_all(self) -> bool:
        """May they read what others did: audit, requests, history, exports?"""
        return self.admin or self.auditor

    @property
    def principal(self) -> Principal:
        return Principal(self.user_id)


class Guard:
    """The one guard of the application."""

    def __init__(self, services: Services, signer: TokenSigner) -> None:
        self._services = services
        self._signer = signer
        self._times = SessionTimes(services.write)
        self._origins = frozenset(origin.lower() for origin in services.settings.allowed_origins)

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """
        Raises:
            Problem: not let in, and why.
            Accepted: the reader asked to see a position that is not there yet.
        """
        if connection.scope["method"] == "OPTIONS":  # type: ignore[typeddict-item]  # there are no websockets
            return  # Litestar answers itself, with the methods there are and nothing else
        who = handler.opt["who"]
        here = incoming()
        ORIGIN.set(Origin(here.ip, here.agent))
        credential = self._header_token(connection)
        path = connection.scope["path"]
        if here.key_presented and (who != PUBLIC or path.startswith("/api/")):
            raise key_not_allowed()
        if "\0" in path or b"%00" in connection.scope["query_string"]:
            raise invalid("The address holds NUL, which no text column keeps.")
        method = str(connection.scope["method"])  # type: ignore[typeddict-item]  # there are no websockets
        if method not in SAFE:
            self._check_site(connection)
        connection.scope["user"] = None
        if method == "GET" and path.startswith("/admin/") and prefers_html(connection.headers.get("accept", "")):
            raise not_found()  # a browser goes there for the page, not for the data
        if who == PUBLIC:
            return
        cookie = "" if credential else connection.cookies.get(session_cookie(self._services.settings.https), "")
        claims = self._signer.read(credential or cookie) if credential or cookie else None
        if claims is None:
            raise not_authenticated()
        await self.must_be_fresh()
        caller = self._caller(claims)
        connection.scope["user"] = caller  # also for what refuses them
        if cookie:
            if method not in SAFE and not self._csrf_fits(connection, claims):
                raise csrf_failed()
            await self._renew(claims)
        if who == AUDITOR and not caller.reads_all:
            raise auditor_required()
        if who not in {USER, AUDITOR} and not caller.admin:
            raise admin_required()
        structlog.contextvars.bind_contextvars(user_id=caller.user_id)
        act_as(caller.user_id, source="ui" if cookie else "api")
        if method in SAFE:
            await self._wait_for_position(connection)

    async def must_be_fresh(self) -> None:
        """
        Raises:
            Problem: 503, what this process knows may be out of date.
        """
        tail = self._services.tail
        if not tail.fresh() and not await tail.confirm(CONFIRM_WITHIN):
            raise not_ready()

    def _header_token(self, connection: ASGIConnection[Any, Any, Any, Any]) -> str:
        """The token sent in a header; '' for none. An MCPHub key is noted wherever it stands.

        Raises:
            Problem: two different ones.
        """
        headers = connection.headers
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        sent = [bearer.strip()] if scheme.lower() == "bearer" else []
        sent += headers.getall("x-auth-token", [])
        if "x-mcphub-key" in headers or any(token.startswith(PREFIX) for token in sent):
            incoming().key_presented = True
            return ""
        tokens = {token for token in sent if token}
        if len(tokens) > 1:
            raise Problem(
                400, "credential_conflict", "Two different tokens came with one request.", "Send one of them."
            )
        return tokens.pop() if tokens else ""

    def _check_site(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        """Refuses a change that another site's page has sent, whatever it carries.

        Raises:
            Problem: it came from elsewhere.
        """
        origin = connection.headers.get("origin", "").lower()
        if origin in self._origins:
            return
        if connection.headers.get("sec-fetch-site", "") == "cross-site":
            raise csrf_failed()
        if origin and origin.partition("://")[2] != connection.headers.get("host", "").lower():
            raise csrf_failed()

    def _csrf_fits(self, connection: ASGIConnection[Any, Any, Any, Any], claims: Claims) -> bool:
        return self._signer.csrf_fits(claims.session_id, connection.headers.get("x-csrf-token", ""))

    def _caller(self, claims: Claims) -> Caller:
        """
        Raises:
            Problem: the session is over, or the user is locked out.
        """
        user = self._services.model.users.get(claims.user_id)
        if user is None or user.deleted or user.erased:
            raise session_ended()
        if not user.active:
            raise user_inactive() if user.was_active else user_pending()
        if (
            self._signer.expired(claims)
            or claims.version != user.auth_version
            or claims.session_id not in user.sessions
        ):
            raise session_ended()
        return Caller(user.user_id, claims.session_id, user.admin, user.auditor)

    def still(self, caller: Caller) -> bool:
        """For open streams: would the caller be let in now, with the role they came with?"""
        user = self._services.model.users.get(caller.user_id)
        return (
            user is not None
            and user.active
            and caller.session_id in user.sessions
            and (user.admin or not caller.admin)
            and (user.auditor or not caller.auditor)
            and self._services.tail.fresh()
            and not self._services.draining
        )

    async def _renew(self, claims: Claims) -> None:
        if not self._signer.ageing(claims):
            return
        token, expires = self._signer.sign(claims.user_id, claims.session_id, claims.version, BROWSER_SECONDS)
        try:
            await asyncio.to_thread(self._times.lives_until, claims.session_id, claims.user_id, expires)
        except (psycopg.Error, PoolTimeout) as error:  # the token at hand is good for a while; the next request tries
            log.warning("session_not_renewed", why=type(error).__name__)
            return
        incoming().cookies += set_cookies(self._signer, self._services.settings.https, token, claims.session_id)

    async def _wait_for_position(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        wanted = connection.headers.get("x-mcphub-min-position", "")
        if wanted.isdecimal() and not await self._services.commands.shown(int(wanted[:18])):
            raise Accepted(int(wanted[:18]))
