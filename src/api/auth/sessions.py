"""Browser and script sessions: opened by a fact, carried by a signed token, ended by a fact."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from mcphub.api.auth.session_times import SessionTimes
from mcphub.api.auth.tokens import BROWSER_SECONDS, SCRIPT_SECONDS, TokenSigner
from mcphub.api.incoming import incoming
from mcphub.api.services import Committed, Services
from mcphub.domain.access import AccessModel
from mcphub.domain.actor import ACTOR, Meta
from mcphub.domain.ids import new_id
from mcphub.domain.sign_in import SignInByProvider
from mcphub.domain.users import SignIn

CSRF_COOKIE = "mcphub_csrf"
SLACK = 60  # seconds between the row and the token, whose time begins when the session is a fact


def session_cookie(https: bool) -> str:
    """Name of the session's cookie. Safari drops `Secure` cookies on plain-http loopback, so those get none."""
    return "__Host-mcphub_session" if https else "mcphub_session"


def set_cookies(signer: TokenSigner, https: bool, token: str, session_id: str) -> list[str]:
    """The session, unreadable for scripts, and the CSRF token, readable for the hub's own pages."""
    secure = "; Secure" if https else ""
    return [
        f"{session_cookie(https)}={token}; Path=/; Max-Age={BROWSER_SECONDS}; HttpOnly; SameSite=Lax{secure}",
        f"{CSRF_COOKIE}={signer.csrf(session_id)}; Path=/; Max-Age={BROWSER_SECONDS}; SameSite=Lax{secure}",
    ]


def clear_cookies(https: bool) -> list[str]:
    secure = "; Secure" if https else ""
    return [
        f"{session_cookie(https)}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax{secure}",
        f"{CSRF_COOKIE}=; Path=/; Max-Age=0; SameSite=Lax{secure}",
    ]


class Opened(Struct, frozen=True):
    """A session just opened. `token` is for scripts that asked for one."""

    session_id: str
    csrf_token: str
    token: str
    expires_at: datetime
    position: int


async def open_session(
    services: Services,
    signer: TokenSigner,
    user_id: str,
    *,
    script: bool = False,
    profile: Mapping[str, tuple[str, str]] | None = None,
    memberships: Sequence[str] | None = None,
) -> Opened:
    """Signs a user in who proved who they are, and answers with the cookies.

    Args:
        profile, memberships: what a provider that vouches for them says now, as SignInByProvider takes it.

    Raises:
        UserInactive: locked out in the meantime.
    """
    session_id, seconds = new_id(), SCRIPT_SECONDS if script else BROWSER_SECONDS
    until = int(time.time()) + seconds + SLACK
    await asyncio.to_thread(SessionTimes(services.write).lives_until, session_id, user_id, until)
    act_as(user_id, source="api" if script else "ui")
    kind = "script" if script else "browser"
    done: Committed[Any]
    if profile is None:
        done = await services.commands.run(lambda: SignIn(user_id, session_id, kind=kind))
    else:
        done = await services.commands.run(lambda: SignInByProvider(user_id, session_id, profile, memberships))
    version = auth_version(services.model, user_id)
    token, expires = signer.sign(user_id, session_id, version, seconds)
    incoming().cookies += set_cookies(signer, services.settings.https, token, session_id)
    return Opened(session_id, signer.csrf(session_id), token, datetime.fromtimestamp(expires, UTC), done.position)


def auth_version(model: AccessModel, user_id: str) -> int:
    user = model.users.get(user_id)
    return user.auth_version if user is not None else 0


def act_as(user_id: str, *, source: str) -> None:
    """What follows in this request is this user's doing."""
    ACTOR.set(Meta(actor=user_id, source=source, request_id=incoming().request_id))  # type: ignore[arg-type]
