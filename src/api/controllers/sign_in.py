"""Signing in and out, the first administrator, and invitations."""

import asyncio
from datetime import datetime

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import UNSET, UnsetType

from mcphub.api.auth.accounts import NewAccount, name_digest, open_password, seal_password, username_of
from mcphub.api.auth.links import RECOVER, OneTimeLinks
from mcphub.api.auth.passwords import Passwords, check_strength
from mcphub.api.auth.sessions import act_as, clear_cookies, open_session
from mcphub.api.auth.throttle import Throttle
from mcphub.api.auth.tokens import TokenSigner
from mcphub.api.caller import PUBLIC, USER, Caller, Guard
from mcphub.api.incoming import Way, incoming
from mcphub.api.notes import attempt, signed_in, signed_out
from mcphub.api.people import Me, People
from mcphub.api.problems import Problem, user_inactive, user_pending
from mcphub.api.schemas import Envelope, Out, Schema
from mcphub.api.services import Accepted, Services
from mcphub.domain.errors import HasPassword, Refused, UnknownUser
from mcphub.domain.users import SetPassword, SignOut
from mcphub.domain.vault import Unopenable, key_of

PATIENCE = 10.0  # seconds that somebody who comes in waits for the read tables: with a 202 they would have no session


class Login(Schema, kw_only=True):
    username: str
    password: str
    issue_token: bool = False


class SetUp(Schema, kw_only=True):
    token: str
    username: str
    password: str


class AcceptInvitation(Schema, kw_only=True):
    token: str
    password: str


class SignedIn(Out, kw_only=True):
    user: Me
    csrf_token: str
    token: str | UnsetType = UNSET
    expires_at: datetime | UnsetType = UNSET


class SignedInAnswer(Envelope, kw_only=True):
    data: SignedIn


class SignInController(Controller):
    path = "/api"
    tags = ("Sign-in",)

    @post("/auth/login", operation_id="login", summary="Sign in with a local account", status_code=200, who=PUBLIC)
    async def login(
        self,
        data: JSONBody[Login],
        services: NamedDependency[Services],
        guard: NamedDependency[Guard],
        signer: NamedDependency[TokenSigner],
        passwords: NamedDependency[Passwords],
        throttle: NamedDependency[Throttle],
        people: NamedDependency[People],
    ) -> SignedInAnswer:
        """An unknown name and a wrong password answer alike, after like work."""
        await guard.must_be_fresh()
        digest, ip = name_digest(services.vault)(data.username), incoming().ip
        way: Way = "script" if data.issue_token else "local"
        user = services.model.users.get(services.model.user_by_name.get(digest, ""))
        known = user is not None and not user.deleted
        with attempt(way, subject=user.user_id if user is not None else "", name_digest=digest):
            throttle.attempt(digest, ip)
            sealed = user.password if user is not None and known else ""
            hashed = await hash_of(services, user.user_id, sealed) if user and sealed else None
            fits = await passwords.verify(hashed, data.password)
            if not fits or user is None:
                raise Problem(401, "invalid_credentials", "Name or password is wrong.", "Correct them and try again.")
            throttle.succeeded(digest, ip)
            if not user.active:
                raise user_inactive() if user.was_active else user_pending()
            return await _signed_in(services, signer, people, user.user_id, way)

    @post("/auth/logout", operation_id="logout", summary="End this session", status_code=204, who=USER)
    async def logout(self, caller: NamedDependency[Caller], services: NamedDependency[Services]) -> None:
        await services.commands.run(lambda: SignOut(caller.user_id, caller.session_id))
        signed_out(caller.user_id)
        incoming().cookies = clear_cookies(services.settings.https)

    @post("/setup", operation_id="setUp", summary="Make the first administrator", status_code=200, who=PUBLIC)
    async def set_up(
        self,
        data: JSONBody[SetUp],
        services: NamedDependency[Services],
        guard: NamedDependency[Guard],
        signer: NamedDependency[TokenSigner],
        passwords: NamedDependency[Passwords],
        throttle: NamedDependency[Throttle],
        links: NamedDependency[OneTimeLinks],
        people: NamedDependency[People],
    ) -> SignedInAnswer:
        """The token comes from the link the hub printed; it works once, and is given back when this is refused."""
        await guard.must_be_fresh()
        username = username_of(data.username)
        check_strength(data.password, username)
        with attempt("link"):
            throttle.use_link(incoming().ip)
            subject = await asyncio.to_thread(links.take, "setup", data.token)
            if subject is None:
                raise Problem(
                    410,
                    "setup_link_used",
                    "This set-up link was used, or is over.",
                    "Run `mcphub setup-link` on the host for a new one.",
                )
            throttle.link_worked(incoming().ip)
            try:
                hashed = await passwords.hash(data.password)
                account = await asyncio.to_thread(NewAccount, services.vault, username, hashed)
                act_as(account.user_id, source="ui")
                try:
                    await services.commands.run(lambda: account.set_up(recover=subject == RECOVER))
                except Refused:
                    await asyncio.to_thread(account.discard)
                    raise
            except Exception:
                await asyncio.to_thread(links.put, "setup", data.token, subject)
                raise
            return await _signed_in(services, signer, people, account.user_id, "link")

    @post(
        "/auth/accept-invitation",
        operation_id="acceptInvitation",
        summary="Choose a password for an account one was invited to",
        status_code=200,
        who=PUBLIC,
    )
    async def accept_invitation(
        self,
        data: JSONBody[AcceptInvitation],
        services: NamedDependency[Services],
        guard: NamedDependency[Guard],
        signer: NamedDependency[TokenSigner],
        passwords: NamedDependency[Passwords],
        throttle: NamedDependency[Throttle],
        links: NamedDependency[OneTimeLinks],
        people: NamedDependency[People],
    ) -> SignedInAnswer:
        await guard.must_be_fresh()
        check_strength(data.password, "")
        with attempt("link"):
            throttle.use_link(incoming().ip)
            user_id = await asyncio.to_thread(links.take, "invite", data.token)
            if user_id is None:
                raise _invitation_used()
            throttle.link_worked(incoming().ip)
        with attempt("link", subject=user_id):
            await _accept(services, passwords, links, data, user_id)
            return await _signed_in(services, signer, people, user_id, "link")


async def _accept(
    services: Services, passwords: Passwords, links: OneTimeLinks, data: AcceptInvitation, user_id: str
) -> None:
    """
    Raises:
        Problem, Refused: nothing was changed, and the link works again, unless the account has a password by now.
    """
    try:
        check_strength(data.password, (await services.directory.name(user_id)).username)
        user = services.model.users.get(user_id)
        if user is None or not user.active:
            raise user_inactive()
        await set_password(services, user_id, await passwords.hash(data.password), first=True)
    except HasPassword:
        raise _invitation_used() from None
    except Exception:
        await asyncio.to_thread(links.put, "invite", data.token, user_id)
        raise


def _invitation_used() -> Problem:
    return Problem(410, "invitation_used", "This invitation was used, or is over.", "Ask for a new one.")


async def set_password(services: Services, user_id: str, hashed: str, *, first: bool = False) -> None:
    """As the user's own doing. The data key of the password before dies with it.

    Args:
        first: refused when the account has one.

    Raises:
        Refused: nothing was changed.
    """
    user = services.model.users.get(user_id)
    before = key_of(user.password) if user is not None else ""
    data_key, sealed = await asyncio.to_thread(seal_password, services.vault, user_id, hashed)
    act_as(user_id, source="ui")
    try:
        await services.commands.run(lambda: SetPassword(user_id, sealed, first=first))
    except Refused:
        await asyncio.to_thread(services.vault.destroy, data_key)
        raise
    if before:
        await asyncio.to_thread(services.vault.destroy, before)


async def _signed_in(services: Services, signer: TokenSigner, people: People, user_id: str, way: Way) -> SignedInAnswer:
    script = way == "script"
    opened = await open_session(services, signer, user_id, script=script)
    signed_in(user_id, way)
    try:
        me = await people.me(user_id)
    except UnknownUser:  # made a moment ago, and the read tables are behind
        if not await services.commands.shown(opened.position, PATIENCE):
            raise Accepted(opened.position) from None
        incoming().pending = False
        me = await people.me(user_id)
    data = SignedIn(user=me, csrf_token=opened.csrf_token)
    if script:
        data.token, data.expires_at = opened.token, opened.expires_at
    return SignedInAnswer(data=data, position=opened.position)


async def hash_of(services: Services, user_id: str, sealed: str) -> str | None:
    """The argon2id hash of an account's password; None when its data key is gone."""
    try:
        return await asyncio.to_thread(open_password, services.vault, user_id, sealed)
    except Unopenable:
        return None
