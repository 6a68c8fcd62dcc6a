"""The caller's own account: profile, preferences, password and sessions."""

from typing import Annotated, Literal

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from mcphub.api.auth.passwords import Passwords, check_strength
from mcphub.api.auth.sessions import clear_cookies, open_session
from mcphub.api.auth.throttle import Throttle
from mcphub.api.auth.tokens import TokenSigner
from mcphub.api.browser_sessions import SessionsAnswer, sessions_of
from mcphub.api.caller import USER, Caller
from mcphub.api.controllers.sign_in import hash_of, set_password
from mcphub.api.incoming import incoming
from mcphub.api.notes import attempt, signed_out
from mcphub.api.past import Past
from mcphub.api.people import Me, People
from mcphub.api.problems import Problem, not_found
from mcphub.api.schemas import Envelope, Schema, at_each
from mcphub.api.services import Services
from mcphub.api.simulator import AccessAnswer, Question, access
from mcphub.domain.actor import current
from mcphub.domain.errors import NotLocalAccount
from mcphub.domain.users import ChangePreferences, SignOut
from mcphub.gateway.exposure import MOST_PINNED

TimeZone = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_+\-/]{0,64}$")]

PinnedTools = Annotated[list[Annotated[str, Meta(min_length=1, max_length=48)]], Meta(max_length=MOST_PINNED)]


class Preferences(Schema, kw_only=True):
    language: Literal["", "ko", "en"] | UnsetType = UNSET
    time_zone: TimeZone | UnsetType = UNSET
    theme: Literal["system", "light", "dark"] | UnsetType = UNSET
    density: Literal["comfortable", "compact"] | UnsetType = UNSET
    exposure_mode: Literal["auto", "tools", "servers", "search"] | UnsetType = UNSET
    show_why: bool | UnsetType = UNSET
    pinned_tools: PinnedTools | UnsetType = UNSET  # listed in mode `search`, by their names on the aggregate


class NewPassword(Schema, kw_only=True):
    current_password: str
    new_password: str


class MeAnswer(Envelope, kw_only=True):
    data: Me


class MeController(Controller):
    path = "/api"
    tags = ("Me",)

    @get(["/user/me", "/auth/me"], operation_id=at_each("me", "/api/user/me"), summary="Who is signed in", who=USER)
    async def me(self, caller: NamedDependency[Caller], people: NamedDependency[People]) -> MeAnswer:
        return MeAnswer(data=await people.me(caller.user_id))

    @patch("/user/me", operation_id="changePreferences", summary="Change one's own preferences", who=USER)
    async def change(
        self,
        data: JSONBody[Preferences],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        people: NamedDependency[People],
    ) -> MeAnswer:
        wanted = {name: getattr(data, name) for name in ChangePreferences.FIELDS}
        done = await services.commands.run(lambda: ChangePreferences(caller.user_id, **wanted))
        done.must_show()
        return MeAnswer(data=await people.me(caller.user_id), position=done.position)

    @post(
        "/auth/change-password",
        operation_id="changePassword",
        summary="Change the password of a local account",
        status_code=204,
        who=USER,
    )
    async def change_password(
        self,
        data: JSONBody[NewPassword],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        signer: NamedDependency[TokenSigner],
        passwords: NamedDependency[Passwords],
        throttle: NamedDependency[Throttle],
    ) -> None:
        """Ends the account's sessions; a browser goes on in a new one."""
        user = services.model.users[caller.user_id]
        if user.provider != "local" or not user.password:
            raise NotLocalAccount
        with attempt("local", action="command", actor=caller.user_id, subject=caller.user_id):
            throttle.attempt(user.name_digest, incoming().ip)
            if not await passwords.verify(await hash_of(services, user.user_id, user.password), data.current_password):
                raise Problem(401, "invalid_credentials", "The current password is wrong.", "Correct it and try again.")
        throttle.succeeded(user.name_digest, incoming().ip)
        check_strength(data.new_password, (await services.directory.name(user.user_id)).username)
        by_browser = current().source == "ui"
        await set_password(services, user.user_id, await passwords.hash(data.new_password))
        if by_browser:
            await open_session(services, signer, user.user_id)

    @get(
        "/user/access", operation_id="myAccess", summary="What a client of the caller would see at an address", who=USER
    )
    async def access(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        past: NamedDependency[Past],
        url: Annotated[str, QueryParameter()] = "/mcp",
        groups: Annotated[str | None, QueryParameter()] = None,
        at: Annotated[str, QueryParameter()] = "",
    ) -> AccessAnswer:
        """Nothing is said about servers that are not meant for the caller at all.

        With `groups`, ids with commas between, as if only these groups were active: a preview of switching them. `at`
        is a position or a time: as it was then, by the tools that were on the record.
        """
        asked = Question(user_id=caller.user_id, url=url, whole=caller.admin, groups=groups)
        return AccessAnswer(data=await access(services, past, asked, at, by=caller.user_id))

    @get("/user/sessions", operation_id="mySessions", summary="Where the caller is signed in", who=USER)
    async def sessions(self, caller: NamedDependency[Caller], services: NamedDependency[Services]) -> SessionsAnswer:
        """Of a browser `expiresAt` moves on while it is used."""
        return SessionsAnswer(data=await sessions_of(services, caller.user_id, caller))

    @delete("/user/sessions", operation_id="signOutEverywhere", summary="End all own sessions, this one too", who=USER)
    async def end_sessions(self, caller: NamedDependency[Caller], services: NamedDependency[Services]) -> None:
        """Of browsers, scripts and IDEs; an IDE begins a new one with its key."""
        await services.commands.run(lambda: SignOut(caller.user_id))
        signed_out(caller.user_id)
        incoming().cookies = clear_cookies(services.settings.https)

    @delete("/user/sessions/{sid:str}", operation_id="endMySession", summary="Sign out elsewhere", who=USER)
    async def end_session(
        self, sid: FromPath[str], caller: NamedDependency[Caller], services: NamedDependency[Services]
    ) -> None:
        if sid not in services.model.users[caller.user_id].sessions:
            raise not_found("You have no such session.")
        await services.commands.run(lambda: SignOut(caller.user_id, sid))
        signed_out(caller.user_id)
