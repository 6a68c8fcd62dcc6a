"""Users as the API shows them: rows of the read tables with the names opened beside them."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType
from psycopg.rows import class_row

from mcphub.api.schemas import Out
from mcphub.api.services import Services
from mcphub.domain.errors import UnknownUser, UserIsErased
from mcphub.domain.state import standing

State = Literal["active", "inactive", "pending", "deleted"]

ME = """
    select user_id, provider, active, admin, auditor, language, time_zone, theme, density, exposure_mode, show_why,
           pinned_tools, registered_at, last_sign_in_at
    from users where user_id = %s
"""
USERS = """
    select users.user_id, users.provider, users.active, users.was_active, users.admin, users.auditor, users.deleted,
           users.registered_at, users.last_sign_in_at,
           greatest(users.last_sign_in_at, max(key_use.last_used_at)) as last_seen_at,
           count(keys.key_id) filter (
               where keys.revoked_at is null and keys.expires_at > now()
                 and (keys.grace_until is null or keys.grace_until > now())) as key_count,
           (select count(*) from groups where groups.user_id = users.user_id) as group_count
    from users left join keys using (user_id) left join key_use using (key_id)
    where {where}
    group by users.user_id
    order by users.registered_at desc, users.user_id desc
    limit %(size)s
"""
IN_STATE = {
    "": "not users.deleted",
    "active": "users.active",
    "inactive": "not users.active and users.was_active and not users.deleted",
    "pending": "not users.active and not users.was_active and not users.deleted",
    "deleted": "users.deleted",
    "all": "true",
}
USABLE_KEY = """
    exists (select from keys as own where own.user_id = users.user_id and own.revoked_at is null
            and own.expires_at > now() and (own.grace_until is null or own.grace_until > now()))
"""
BY_KEYS = {"all": "true", "hasKey": USABLE_KEY, "noKey": f"not {USABLE_KEY}"}
IN_ROLE = {"": "true", "admin": "users.admin", "auditor": "users.auditor", "user": "not (users.admin or users.auditor)"}


class Me(Out, kw_only=True):
    """The caller."""

    id: str
    username: str
    display_name: str
    email: str
    avatar_url: str | None
    github_username: str | UnsetType = UNSET
    provider: str
    is_admin: bool
    is_auditor: bool
    is_active: bool
    exposure_mode: str
    language: str
    time_zone: str
    theme: str
    density: str
    show_why: bool
    pinned_tools: list[str]
    created_at: datetime
    last_login_at: datetime | None


class User(Out, kw_only=True):
    """A user as administrators see one. `login` is the name at the provider, '' for a local account."""

    id: str
    username: str
    display_name: str
    email: str
    provider: str
    login: str
    avatar_url: str | None
    state: State
    is_active: bool
    is_admin: bool
    is_auditor: bool
    key_count: int
    group_count: int
    created_at: datetime
    last_login_at: datetime | None
    last_seen_at: datetime | None


class Counts(Out, kw_only=True):
    """Everybody but the erased; `total` without the deleted, who have a count of their own."""

    total: int
    active: int
    pending: int
    inactive: int
    deleted: int
    admins: int
    auditors: int


class _Mine(Struct):
    user_id: str
    provider: str
    active: bool
    admin: bool
    auditor: bool
    language: str
    time_zone: str
    theme: str
    density: str
    exposure_mode: str
    show_why: bool
    pinned_tools: list[str]
    registered_at: datetime
    last_sign_in_at: datetime | None


class _Row(Struct):
    user_id: str
    provider: str
    active: bool
    was_active: bool
    admin: bool
    auditor: bool
    deleted: bool
    registered_at: datetime
    last_sign_in_at: datetime | None
    last_seen_at: datetime | None
    key_count: int
    group_count: int


class People:
    """Reads users."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def must_exist(self, user_id: str) -> None:
        """
        Raises:
            UnknownUser, UserIsErased: as the access model knows.
        """
        user = self._services.model.users.get(user_id)
        if user is None:
            raise UnknownUser(user_id)
        if user.erased:
            raise UserIsErased(user_id)

    async def me(self, user_id: str) -> Me:
        """
        Raises:
            UnknownUser: the read tables do not have the user.
        """
        async with self._services.read.connection() as db, db.cursor(row_factory=class_row(_Mine)) as cursor:
            await cursor.execute(ME, (user_id,))
            row = await cursor.fetchone()
        if row is None:
            raise UnknownUser(user_id)
        names = await self._services.directory.name(user_id)
        return Me(
            id=row.user_id,
            username=names.username,
            display_name=names.display_name,
            email=names.email,
            avatar_url=names.avatar_url or None,
            github_username=names.login if row.provider == "github" else UNSET,
            provider=row.provider,
            is_admin=row.admin,
            is_auditor=row.auditor,
            is_active=row.active,
            exposure_mode=row.exposure_mode,
            language=row.language,
            time_zone=row.time_zone,
            theme=row.theme,
            density=row.density,
            show_why=row.show_why,
            pinned_tools=row.pinned_tools,
            created_at=row.registered_at,
            last_login_at=row.last_sign_in_at,
        )

    def counts(self) -> Counts:
        states: Counter[State] = Counter()
        admins = auditors = 0
        for user in self._services.model.users.values():
            if not user.erased:
                states[standing(user)] += 1
                admins += user.admin
                auditors += user.auditor and not user.deleted
        return Counts(
            total=states.total() - states["deleted"],
            active=states["active"],
            pending=states["pending"],
            inactive=states["inactive"],
            deleted=states["deleted"],
            admins=admins,
            auditors=auditors,
        )

    async def user(self, user_id: str) -> User:
        """
        Raises:
            UnknownUser: the read tables do not have the user.
        """
        found = await self._users("users.user_id = %(user)s", {"user": user_id, "size": 1})
        if not found:
            raise UnknownUser(user_id)
        return found[0]

    async def page(
        self,
        *,
        q: str = "",
        state: str = "",
        role: str = "",
        keys: str = "all",
        before: tuple[datetime, str] | None = None,
        size: int,
    ) -> list[User]:
        """Newest registration first.

        Args:
            q: part of a name or e-mail.
            state, role, keys: one of IN_STATE, IN_ROLE and BY_KEYS.
            before: the last row of the page before.
        """
        where = [IN_STATE[state], IN_ROLE[role], BY_KEYS[keys]]
        given: dict[str, Any] = {"size": size}
        if q:
            given["ids"] = list(await self._services.directory.search(q))
            where.append("users.user_id = any(%(ids)s)")
        if before is not None:
            given["at"], given["id"] = before
            where.append("(users.registered_at, users.user_id) < (%(at)s, %(id)s)")
        return await self._users(" and ".join(where), given)

    async def _users(self, where: str, given: dict[str, Any]) -> list[User]:
        async with self._services.read.connection() as db, db.cursor(row_factory=class_row(_Row)) as cursor:
            await cursor.execute(USERS.format(where=where), given)
            rows = await cursor.fetchall()
        return await self._named(rows)

    async def _named(self, rows: Sequence[_Row]) -> list[User]:
        names = await self._services.directory.names(row.user_id for row in rows)
        return [
            User(
                id=row.user_id,
                username=names[row.user_id].username,
                display_name=names[row.user_id].display_name,
                email=names[row.user_id].email,
                provider=row.provider,
                login=names[row.user_id].login,
                avatar_url=names[row.user_id].avatar_url or None,
                state=standing(row),
                is_active=row.active,
                is_admin=row.admin,
                is_auditor=row.auditor,
                key_count=row.key_count,
                group_count=row.group_count,
                created_at=row.registered_at,
                last_login_at=row.last_sign_in_at,
                last_seen_at=row.last_seen_at,
            )
            for row in rows
        ]
