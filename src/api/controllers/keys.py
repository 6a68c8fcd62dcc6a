"""MCPHub keys: issued, shown once, changed, extended, rotated, revoked."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from mcphub.api.caller import ADMIN, USER, Caller
from mcphub.api.connect import cursor_link, mcp_json, mcp_json_key_in_url
from mcphub.api.idempotent import IdempotencyKey, id_for
from mcphub.api.keyring import Keyring, KeyRow, KeyView, ScopeView, State
from mcphub.api.paging import DEFAULT, before, cursor, size_of
from mcphub.api.people import People, User
from mcphub.api.problems import MEDIA_TYPE, Problem, ProblemDetails, admin_required
from mcphub.api.schemas import Envelope, Out, Page, Schema, at_each
from mcphub.api.services import Services
from mcphub.domain.errors import UnknownKey
from mcphub.domain.keys import MOST_DAYS, PREFIX, ChangeKey, ExtendKey, IssueKey, RevokeKey, RotateKey, new_key

Description = Annotated[str, Meta(max_length=500)]


class NewKey(Schema, kw_only=True):
    name: str = "Default Key"
    description: Description = ""
    expiry_days: int = MOST_DAYS
    header_only: bool = False
    scope: ScopeView | None = None


class KeyChange(Schema, kw_only=True):
    name: str | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    header_only: bool | UnsetType = UNSET
    scope: ScopeView | UnsetType | None = UNSET


class Extension(Schema, kw_only=True):
    """`expiryDays` is the earlier hub's name of `days`."""

    days: int | UnsetType = UNSET
    expiry_days: int | UnsetType = UNSET


class Rotation(Schema, kw_only=True):
    grace_minutes: int = 10


class IssuedKey(KeyView, kw_only=True):
    """The one answer that holds the key itself, ready to paste. A repeated request does not get it again."""

    key_value: str | UnsetType = UNSET
    mcp_json: dict[str, Any] | UnsetType = UNSET
    mcp_json_key_in_url: dict[str, Any] | UnsetType = UNSET
    deep_link: str | UnsetType = UNSET


class UserKeys(Out, kw_only=True):
    user: User
    keys: list[KeyView]


class KeyAnswer(Envelope, kw_only=True):
    data: KeyView


class KeysAnswer(Envelope, kw_only=True):
    data: list[KeyView]


class IssuedKeyAnswer(Envelope, kw_only=True):
    data: IssuedKey


class UserKeysAnswer(Envelope, kw_only=True):
    data: list[UserKeys]
    page: Page


class KeysController(Controller):
    path = "/api"
    tags = ("Keys",)

    @get(
        ["/oauth/keys", "/keys"],
        operation_id=at_each("keys", "/api/oauth/keys"),
        summary="The caller's keys, masked",
        who=USER,
    )
    async def keys(
        self,
        caller: NamedDependency[Caller],
        keyring: NamedDependency[Keyring],
        in_state: Annotated[State | None, QueryParameter(name="state")] = None,
        every: Annotated[bool, QueryParameter(name="all")] = False,
    ) -> KeysAnswer:
        if every and not caller.admin:
            raise admin_required()
        found = await (keyring.every() if every else keyring.of_user(caller.user_id))
        return KeysAnswer(data=[key for key in found if in_state in (None, key.state)])

    @post(
        ["/oauth/keys", "/keys"],
        operation_id=at_each("issueKey", "/api/oauth/keys"),
        summary="Issue a key; its value is in this answer only",
        who=USER,
    )
    async def issue(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        keyring: NamedDependency[Keyring],
        data: JSONBody[NewKey | None] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> IssuedKeyAnswer:
        key, now = new_key(), datetime.now(UTC)
        key_id = id_for(caller.user_id, "issueKey", idempotency_key)
        digest, shown = services.vault.key_digest(key), _shown(key)
        wanted = data or NewKey()
        scope = keyring.scope_of(caller.user_id, wanted.scope)
        done = await services.commands.run(
            lambda: IssueKey(
                caller.user_id,
                key_id,
                now,
                name=wanted.name,
                days=wanted.expiry_days,
                digest=digest,
                shown=shown,
                description=wanted.description,
                header_only=wanted.header_only,
                scope=scope,
            )
        )
        if not done.changed:
            done.must_show()
            return IssuedKeyAnswer(data=IssuedKey(**_fields(await _view(keyring, key_id))), position=done.position)
        row = KeyRow(
            key_id=key_id,
            user_id=caller.user_id,
            name=done.command.name,
            description=wanted.description,
            prefix=shown[0],
            last4=shown[1],
            header_only=wanted.header_only,
            scope=None,
            issued_at=now,
            expires_at=done.command.expires_at,
        )
        view = keyring.view(row)
        view.scope = keyring.shown_scope(scope)
        return IssuedKeyAnswer(data=_issued(view, key, services), position=done.position)

    @get("/oauth/keys/{key_id:str}", operation_id="key", summary="One key of the caller, masked", who=USER)
    async def key(
        self,
        key_id: FromPath[str],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        keyring: NamedDependency[Keyring],
    ) -> KeyAnswer:
        _must_own(services, caller, key_id)
        return KeyAnswer(data=await _view(keyring, key_id))

    @get(
        "/oauth/keys/{key_id:str}/full-value",
        operation_id="keyValue",
        summary="Never again",
        status_code=410,
        media_type=MEDIA_TYPE,
        who=USER,
    )
    async def full_value(
        self, key_id: FromPath[str], caller: NamedDependency[Caller], services: NamedDependency[Services]
    ) -> ProblemDetails:
        _must_own(services, caller, key_id)
        raise Problem(
            410, "key_shown_once", "A key is shown once, when it is issued.", "Rotate the key to get a new one."
        )

    @patch("/oauth/keys/{key_id:str}", operation_id="changeKey", summary="Rename or narrow a key", who=USER)
    async def change(
        self,
        key_id: FromPath[str],
        data: JSONBody[KeyChange],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        keyring: NamedDependency[Keyring],
    ) -> KeyAnswer:
        _must_own(services, caller, key_id)
        scope = UNSET if data.scope is UNSET else keyring.scope_of(caller.user_id, data.scope)
        now = datetime.now(UTC)
        done = await services.commands.run(
            lambda: ChangeKey(
                caller.user_id,
                key_id,
                now,
                name=data.name,
                description=data.description,
                header_only=data.header_only,
                scope=scope,
            )
        )
        done.must_show()
        return KeyAnswer(data=await _view(keyring, key_id), position=done.position)

    @post(
        "/oauth/keys/{key_id:str}/extend",
        operation_id="extendKey",
        summary="Let a key live longer",
        status_code=200,
        who=USER,
    )
    async def extend(
        self,
        key_id: FromPath[str],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        keyring: NamedDependency[Keyring],
        data: JSONBody[Extension | None] = None,
    ) -> KeyAnswer:
        wanted = data or Extension()
        given = wanted.days if wanted.days is not UNSET else wanted.expiry_days
        days, now = (given if given is not UNSET else MOST_DAYS), datetime.now(UTC)
        done = await services.commands.run(lambda: ExtendKey(caller.user_id, key_id, now, days=days))
        done.must_show()
        return KeyAnswer(data=await _view(keyring, key_id), position=done.position)

    @post("/oauth/keys/{key_id:str}/rotate", operation_id="rotateKey", summary="Issue a key's successor", who=USER)
    async def rotate(
        self,
        key_id: FromPath[str],
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        keyring: NamedDependency[Keyring],
        data: JSONBody[Rotation | None] = None,
        idempotency_key: IdempotencyKey = None,
    ) -> IssuedKeyAnswer:
        """The old key works on for the grace."""
        key, now = new_key(), datetime.now(UTC)
        successor = id_for(caller.user_id, f"rotateKey {key_id}", idempotency_key)
        digest, shown = services.vault.key_digest(key), _shown(key)
        done = await services.commands.run(
            lambda: RotateKey(
                caller.user_id,
                key_id,
                now,
                successor=successor,
                digest=digest,
                shown=shown,
                grace_minutes=(data or Rotation()).grace_minutes,
            )
        )
        if not done.changed:
            done.must_show()
            return IssuedKeyAnswer(data=IssuedKey(**_fields(await _view(keyring, successor))), position=done.position)
        old = done.command.keys[key_id]
        row = KeyRow(
            key_id=successor,
            user_id=caller.user_id,
            name=old.name,
            description=old.description,
            prefix=shown[0],
            last4=shown[1],
            header_only=old.header_only,
            scope=None,
            issued_at=now,
            expires_at=done.command.expires_at,
        )
        view = keyring.view(row)
        view.scope = keyring.shown_scope(old.scope)
        return IssuedKeyAnswer(data=_issued(view, key, services), position=done.position)

    @delete(
        "/oauth/keys/{key_id:str}", operation_id="revokeKey", summary="Revoke a key, at once and for good", who=USER
    )
    async def revoke(
        self, key_id: FromPath[str], caller: NamedDependency[Caller], services: NamedDependency[Services]
    ) -> None:
        """One's own; an administrator anybody's."""
        key = services.model.keys.get(key_id)
        if key is None or not (caller.admin or key.user_id == caller.user_id):
            raise UnknownKey(key_id)
        owner, now = key.user_id, datetime.now(UTC)
        await services.commands.run(lambda: RevokeKey(owner, key_id, now))


class UserKeysController(Controller):
    tags = ("Keys",)

    @get(
        ["/api/admin/user-keys", "/admin/user-keys"],
        operation_id=at_each("userKeys", "/api/admin/user-keys"),
        summary="Everybody's keys, masked, by user",
        who=ADMIN,
    )
    async def user_keys(
        self,
        people: NamedDependency[People],
        keyring: NamedDependency[Keyring],
        in_state: Annotated[Literal["all", "hasKey", "noKey"], QueryParameter(name="state")] = "all",
        q: Annotated[str, QueryParameter()] = "",
        limit: Annotated[int, QueryParameter()] = DEFAULT,
        after: Annotated[str, QueryParameter(name="cursor")] = "",
    ) -> UserKeysAnswer:
        """`hasKey` means one that works now."""
        size = size_of(limit)
        users = await people.page(q=q, state="", role="", before=before(after), size=size + 1, keys=in_state)
        shown = users[:size]
        keys = await keyring.of_users(user.id for user in shown)
        following = cursor(shown[-1].created_at, shown[-1].id) if len(users) > size else None
        return UserKeysAnswer(
            data=[UserKeys(user=user, keys=[key for key in keys if key.user_id == user.id]) for user in shown],
            page=Page(next=following, limit=size),
        )


def _must_own(services: Services, caller: Caller, key_id: str) -> None:
    """
    Raises:
        UnknownKey: the caller has no such key.
    """
    if key_id not in services.model.keys_of.get(caller.user_id, {}):
        raise UnknownKey(key_id)


async def _view(keyring: Keyring, key_id: str) -> KeyView:
    found = await keyring.one(key_id)
    if found is None:
        raise UnknownKey(key_id)
    return found


def _shown(key: str) -> tuple[str, str]:
    """The four characters at either end that stay readable."""
    return key[len(PREFIX) : len(PREFIX) + 4], key[-4:]


def _fields(view: KeyView) -> dict[str, Any]:
    return {name: getattr(view, name) for name in view.__struct_fields__}


def _issued(view: KeyView, key: str, services: Services) -> IssuedKey:
    url = services.settings.public_url
    issued = IssuedKey(**_fields(view), key_value=key, mcp_json=mcp_json(url, key), deep_link=cursor_link(url, key))
    if services.settings.key_in_url and not view.header_only:
        issued.mcp_json_key_in_url = mcp_json_key_in_url(url, key)
    return issued
