"""User administration."""

import asyncio
from functools import partial
from typing import Annotated, Any, Literal

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType, field

from mcphub.api.auth.accounts import NewAccount, username_of
from mcphub.api.auth.links import OneTimeLinks
from mcphub.api.auth.passwords import Passwords, check_strength
from mcphub.api.caller import ADMIN, CONFIRM_WITHIN, Caller
from mcphub.api.catalog import Catalog
from mcphub.api.controllers.dossier import DossierAnswer, dossier_of
from mcphub.api.idempotent import IdempotencyKey, id_for
from mcphub.api.incoming import Note, incoming
from mcphub.api.keyring import Keyring
from mcphub.api.korean import problem_in_korean
from mcphub.api.notes import note, signed_out
from mcphub.api.paging import DEFAULT, before, cursor, size_of
from mcphub.api.past import Past
from mcphub.api.people import Counts, People, User
from mcphub.api.schemas import Envelope, Out, Page, Schema, at_each
from mcphub.api.services import Accepted, Committed, Services
from mcphub.api.simulator import AccessAnswer, Question, access
from mcphub.domain.errors import ConfirmationNeeded, Refused
from mcphub.domain.users import DeleteUser, EraseUser, RestoreUser, SetAdmin, SetAuditor, SetUserActive, SignOut

Text = Annotated[str, Meta(max_length=200)]
Reason = Annotated[str, Meta(max_length=500)]


class NewUser(Schema, kw_only=True):
    """Without a password the answer holds a link by which the person chooses one."""

    username: str
    display_name: Text = ""
    email: Text = ""
    password: str | UnsetType = UNSET
    is_admin: bool = False


class UserActive(Schema, kw_only=True):
    is_active: bool
    reason: Reason = ""


class UserAdmin(Schema, kw_only=True):
    is_admin: bool


class UserAuditor(Schema, kw_only=True):
    is_auditor: bool


class Confirmation(Schema, kw_only=True):
    confirm: str = ""


class ManyUsers(Schema, kw_only=True):
    ids: Annotated[list[str], Meta(min_length=1, max_length=200)]
    action: Literal["activate", "deactivate"]
    reason: Reason = ""


class OneOfMany(Out, kw_only=True):
    """What came of it for one user; `code` and `detail` say why not. Who was so already is `ok`, too."""

    id: str
    ok: bool
    code: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET


class ManyUsersAnswer(Envelope, kw_only=True):
    data: list[OneOfMany]


class UserAnswer(Envelope, kw_only=True):
    data: User


class UsersAnswer(Envelope, kw_only=True):
    """`counts` are of everybody, whatever was asked for."""

    data: list[User]
    page: Page
    counts: Counts


class MadeUser(Out, kw_only=True):
    """`namedBy`: servers that were for a user of this name before there was one, perhaps for somebody else."""

    user: User
    named_by: list[str] = field(default_factory=list)
    invitation_link: str | UnsetType = UNSET


class MadeUserAnswer(Envelope, kw_only=True):
    data: MadeUser


class UsersController(Controller):
    tags = ("Users",)

    @get(
        ["/api/admin/users", "/api/admin/users/list", "/admin/users/list"],
        operation_id=at_each("users", "/api/admin/users"),
        summary="Users, newest registration first; deleted ones only when asked for",
        who=ADMIN,
    )
    async def users(
        self,
        people: NamedDependency[People],
        q: Annotated[str, QueryParameter()] = "",
        in_state: Annotated[
            Literal["", "active", "inactive", "pending", "deleted", "all"], QueryParameter(name="state")
        ] = "",
        role: Annotated[Literal["", "admin", "auditor", "user"], QueryParameter()] = "",
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> UsersAnswer:
        size = size_of(limit)
        found = await people.page(q=q, state=in_state, role=role, before=before(after), size=size + 1)
        shown = found[:size]
        following = cursor(shown[-1].created_at, shown[-1].id) if len(found) > size else None
        return UsersAnswer(data=shown, page=Page(next=following, limit=size), counts=people.counts())

    @get("/api/admin/users/{user_id:str}", operation_id="user", summary="One user, and what they have", who=ADMIN)
    async def user(
        self,
        user_id: FromPath[str],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        people: NamedDependency[People],
        keyring: NamedDependency[Keyring],
        catalog: NamedDependency[Catalog],
    ) -> DossierAnswer:
        """Of variables whether they are set, and nothing of what they are set to."""
        return DossierAnswer(data=await dossier_of(services, people, keyring, catalog, user_id, caller))

    @post("/api/admin/users", operation_id="makeUser", summary="Make a local account, active at once", who=ADMIN)
    async def make(
        self,
        data: JSONBody[NewUser],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        passwords: NamedDependency[Passwords],
        links: NamedDependency[OneTimeLinks],
        people: NamedDependency[People],
        idempotency_key: IdempotencyKey = None,
    ) -> MadeUserAnswer:
        """The link of an invitation is in this answer only; a repeated request does not get it again."""
        user_id = id_for(caller.user_id, "makeUser", idempotency_key)
        if user_id in services.model.users:
            people.must_exist(user_id)
            if not await services.commands.shown(seen := services.tail.position):
                raise Accepted(seen)
            return MadeUserAnswer(data=MadeUser(user=await people.user(user_id)))
        username, hashed = username_of(data.username), None
        if isinstance(data.password, str):
            check_strength(data.password, username)
            hashed = await passwords.hash(data.password)
        account = await asyncio.to_thread(
            NewAccount,
            services.vault,
            username,
            hashed,
            display_name=data.display_name,
            email=data.email,
            user_id=user_id,
        )
        invitation: str | UnsetType = UNSET
        if hashed is None:
            # Before the account: a link to nobody is forgotten by itself, an account without one is locked for ever.
            token = await asyncio.to_thread(links.make, "invite", account.user_id)
            invitation = f"{services.settings.public_url}/invite#{token}"
        try:
            done = await services.commands.run(lambda: account.register(admin=data.is_admin))
        except Refused:
            await self._discard(services, account)
            raise
        done.must_show()
        if not done.changed:
            invitation = UNSET  # it went out with the request that was faster
        named_by = services.model.spoken_for().get(account.digest, [])
        made = MadeUser(user=await people.user(account.user_id), named_by=named_by, invitation_link=invitation)
        return MadeUserAnswer(data=made, position=done.position)

    async def _discard(self, services: Services, account: NewAccount) -> None:
        """What was sealed for nobody; not what the same request, sent twice at once, has made meanwhile."""
        if await services.tail.confirm(CONFIRM_WITHIN) and account.user_id not in services.model.users:
            await asyncio.to_thread(account.discard)

    @post(
        "/api/admin/users/bulk",
        operation_id="setUsersActive",
        summary="Let many users in, or lock them out",
        status_code=200,
        who=ADMIN,
    )
    async def set_many_active(
        self, data: JSONBody[ManyUsers], caller: NamedDependency[Caller], services: NamedDependency[Services]
    ) -> ManyUsersAnswer:
        """A command for each, in this order; one that is refused does not keep the others from happening.

        When the hub cannot record one, it answers 503 and stops there; sending the same again completes it.
        """
        active, results, position = data.action == "activate", [], 0
        for user_id in dict.fromkeys(data.ids):
            set_active = partial(SetUserActive, user_id, active, by=caller.user_id, reason=data.reason)
            try:
                done = await services.commands.run(set_active)
            except Refused as refused:
                note(Note(action="command", outcome=refused.code, actor=caller.user_id, subject=user_id))
                title, remedy = str(refused), refused.remedy
                if incoming().korean:
                    title, remedy = problem_in_korean(refused.code, title, remedy)
                detail = f"{title} {remedy}".strip()
                results.append(OneOfMany(id=user_id, ok=False, code=refused.code, detail=detail))
            else:
                position = max(position, done.position)
                results.append(OneOfMany(id=user_id, ok=True))
        return ManyUsersAnswer(data=results, position=position or UNSET)

    @put(
        ["/api/admin/users/{user_id:str}/active", "/admin/users/{user_id:str}/active"],
        operation_id=at_each("setUserActive", "/api/admin/users/{user_id}/active"),
        summary="Let a user in, or lock the user out",
        who=ADMIN,
    )
    async def set_active(
        self,
        user_id: FromPath[str],
        data: JSONBody[UserActive],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        people: NamedDependency[People],
    ) -> UserAnswer:
        """Locking out ends the user's sessions and calls; each of their keys answers 401 from then on."""
        done = await services.commands.run(
            lambda: SetUserActive(user_id, data.is_active, by=caller.user_id, reason=data.reason)
        )
        return await _answer(people, user_id, done)

    @put(
        ["/api/admin/users/{user_id:str}/admin", "/admin/users/{user_id:str}/admin"],
        operation_id=at_each("setAdmin", "/api/admin/users/{user_id}/admin"),
        summary="Grant or revoke administrator rights",
        who=ADMIN,
    )
    async def set_admin(
        self,
        user_id: FromPath[str],
        data: JSONBody[UserAdmin],
        services: NamedDependency[Services],
        people: NamedDependency[People],
    ) -> UserAnswer:
        done = await services.commands.run(lambda: SetAdmin(user_id, data.is_admin))
        return await _answer(people, user_id, done)

    @put(
        ["/api/admin/users/{user_id:str}/auditor", "/admin/users/{user_id:str}/auditor"],
        operation_id=at_each("setAuditor", "/api/admin/users/{user_id}/auditor"),
        summary="Let a user read everybody's audit, requests and exports, or no longer",
        who=ADMIN,
    )
    async def set_auditor(
        self,
        user_id: FromPath[str],
        data: JSONBody[UserAuditor],
        services: NamedDependency[Services],
        people: NamedDependency[People],
    ) -> UserAnswer:
        done = await services.commands.run(lambda: SetAuditor(user_id, data.is_auditor))
        return await _answer(people, user_id, done)

    @delete(
        ["/api/admin/users/{user_id:str}", "/admin/users/{user_id:str}"],
        operation_id=at_each("deleteUser", "/api/admin/users/{user_id}"),
        summary="Delete a user, or erase one for good with hard=true",
        who=ADMIN,
    )
    async def remove(
        self,
        user_id: FromPath[str],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        people: NamedDependency[People],
        hard: Annotated[bool, QueryParameter()] = False,
        data: JSONBody[Confirmation | None] = None,
    ) -> None:
        """Erasing destroys every data key of the user: values and personal data are unreadable from then on."""
        user = services.model.users.get(user_id)
        digest = user.name_digest if user is not None else ""
        if not hard:
            await services.commands.run(lambda: DeleteUser(user_id, by=caller.user_id, name_digest=digest))
            return
        people.must_exist(user_id)
        if data is None or data.confirm != (await services.directory.name(user_id)).username:
            raise ConfirmationNeeded
        await services.commands.run(lambda: EraseUser(user_id, by=caller.user_id, name_digest=digest))
        # The role that certifies it has most likely been faster; when this answers, they are gone for certain.
        await asyncio.to_thread(services.vault.destroy_owner, user_id)

    @post(
        "/api/admin/users/{user_id:str}/restore",
        operation_id="restoreUser",
        summary="Bring a deleted user back, inactive",
        status_code=200,
        who=ADMIN,
    )
    async def restore(
        self, user_id: FromPath[str], services: NamedDependency[Services], people: NamedDependency[People]
    ) -> UserAnswer:
        user = services.model.users.get(user_id)
        digest = user.name_digest if user is not None else ""
        done = await services.commands.run(lambda: RestoreUser(user_id, name_digest=digest))
        return await _answer(people, user_id, done)

    @post(
        "/api/admin/users/{user_id:str}/sign-out",
        operation_id="signUserOut",
        summary="End all of a user's sessions, browser and MCP",
        status_code=204,
        who=ADMIN,
    )
    async def sign_out(
        self,
        user_id: FromPath[str],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        people: NamedDependency[People],
    ) -> None:
        people.must_exist(user_id)
        await services.commands.run(lambda: SignOut(user_id))
        signed_out(user_id, by=caller.user_id)

    @get(
        "/api/admin/users/{user_id:str}/access",
        operation_id="userAccess",
        summary="What a client of this user would see at an address, and why not more",
        who=ADMIN,
    )
    async def access(
        self,
        user_id: FromPath[str],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        people: NamedDependency[People],
        past: NamedDependency[Past],
        url: Annotated[str, QueryParameter()] = "/mcp",
        groups: Annotated[str | None, QueryParameter()] = None,
        key_id: Annotated[str, QueryParameter(name="keyId")] = "",
        at: Annotated[str, QueryParameter()] = "",
        definitions: Annotated[bool, QueryParameter()] = False,
    ) -> AccessAnswer:
        """With `groups`, ids with commas between, as if only these groups of the user were active; with `keyId`
        through that key of the user, else through one without a scope. `at` is a position or a time: as it was then,
        by the tools that were on the record; with `definitions` also what the list said of each then.
        """
        people.must_exist(user_id)
        asked = Question(user_id=user_id, url=url, groups=groups, key_id=key_id)
        return AccessAnswer(data=await access(services, past, asked, at, by=caller.user_id, definitions=definitions))


async def _answer(people: People, user_id: str, done: Committed[Any]) -> UserAnswer:
    done.must_show()
    return UserAnswer(data=await people.user(user_id), position=done.position)
