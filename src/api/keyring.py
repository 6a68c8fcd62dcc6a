"""MCPHub keys as the API shows them: masked, with their use beside."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType
from psycopg.rows import class_row

from mcphub.api.catalog import Catalog
from mcphub.api.schemas import Out, Schema
from mcphub.api.services import Services
from mcphub.domain.access import WARNED
from mcphub.domain.errors import UnknownScope
from mcphub.domain.events import Scope
from mcphub.domain.keys import PREFIX, Standing, key_standing

State = Standing
DAY = timedelta(days=1)

KEYS = """
    select keys.key_id, keys.user_id, keys.name, keys.description, keys.prefix, keys.last4, keys.header_only,
           keys.scope::text as scope, keys.issued_at, keys.expires_at, keys.grace_until, keys.revoked_at,
           key_use.last_used_at, coalesce(key_use.use_count, 0) as use_count
    from keys left join key_use using (key_id)
    where {where}
    order by keys.issued_at desc, keys.key_id
"""


class ScopeView(Schema, kw_only=True, omit_defaults=True):
    """What a key is narrowed to; an empty list means nothing."""

    servers: list[str] | None = None
    groups: list[str] | None = None
    mode: Literal["tools", "servers", "search", "auto"] | None = None


class KeyView(Out, kw_only=True):
    """A key without the key."""

    id: str
    name: str
    description: str
    masked_key: str
    state: State
    header_only: bool
    scope: ScopeView | None
    created_at: datetime
    expires_at: datetime
    days_until_expiry: int
    warning: Literal["expires_soon"] | UnsetType = UNSET
    last_used_at: datetime | None
    usage_count: int
    service_tokens: list[str]
    user_id: str | UnsetType = UNSET


class KeyRow(Struct, kw_only=True):
    key_id: str
    user_id: str
    name: str
    description: str
    prefix: str
    last4: str
    header_only: bool
    scope: str | None
    issued_at: datetime
    expires_at: datetime
    grace_until: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    use_count: int = 0

    def state(self, now: datetime) -> State:
        revoked = self.revoked_at is not None
        return key_standing(now, revoked=revoked, expires_at=self.expires_at, grace_until=self.grace_until)


class Keyring:
    """Reads keys, and says scopes in names."""

    def __init__(self, services: Services, catalog: Catalog) -> None:
        self._services = services
        self._catalog = catalog

    async def of_user(self, user_id: str) -> list[KeyView]:
        return [self.view(row) for row in await self._rows("keys.user_id = %(user)s", user=user_id)]

    async def of_users(self, user_ids: Iterable[str]) -> list[KeyView]:
        rows = await self._rows("keys.user_id = any(%(users)s)", users=list(user_ids))
        return [self.view(row, named=True) for row in rows]

    async def every(self) -> list[KeyView]:
        return [self.view(row, named=True) for row in await self._rows("true")]

    async def one(self, key_id: str) -> KeyView | None:
        rows = await self._rows("keys.key_id = %(key)s", key=key_id)
        return self.view(rows[0]) if rows else None

    def view(self, row: KeyRow, *, named: bool = False) -> KeyView:
        """
        Args:
            named: with its owner's id, for lists of several people's keys.
        """
        now = datetime.now(UTC)
        soon = row.state(now) in ("active", "rotating") and row.expires_at - now <= WARNED
        return KeyView(
            id=row.key_id,
            name=row.name,
            description=row.description,
            masked_key=f"{PREFIX}{row.prefix}…{row.last4}",
            state=row.state(now),
            header_only=row.header_only,
            scope=self.shown_scope(msgspec.json.decode(row.scope, type=Scope) if row.scope else None),
            created_at=row.issued_at,
            expires_at=row.expires_at,
            days_until_expiry=max(0, -((now - row.expires_at) // DAY)),
            warning="expires_soon" if soon else UNSET,
            last_used_at=row.last_used_at,
            usage_count=row.use_count,
            service_tokens=self._variables(row.user_id),
            user_id=row.user_id if named else UNSET,
        )

    def shown_scope(self, scope: Scope | None) -> ScopeView | None:
        """Servers by name; one that was removed is left out, which narrows the same."""
        if scope is None:
            return None
        servers = self._services.model.servers
        names = None
        if scope.servers is not None:
            names = [servers[server_id].name for server_id in scope.servers if server_id in servers]
        return ScopeView(servers=names, groups=scope.groups, mode=scope.mode)  # type: ignore[arg-type]

    def scope_of(self, user_id: str, wanted: ScopeView | None) -> Scope | None:
        """
        Raises:
            UnknownScope: it names a server or group that is not the user's to use.
        """
        if wanted is None:
            return None
        ids = None
        if wanted.servers is not None:
            entitled = {server.name: server.server_id for server in self._catalog.entitled(user_id)}
            ids = [entitled.get(name) or _refuse(f"the server {name!r}") for name in wanted.servers]
        own = self._services.model.groups_of.get(user_id, {})
        for group in wanted.groups or ():
            if group not in own:
                _refuse(f"the group {group!r}")
        return Scope(servers=ids, groups=wanted.groups, mode=wanted.mode)

    def _variables(self, user_id: str) -> list[str]:
        servers = self._services.model.servers
        names: dict[str, None] = {}
        for server_id, values in self._services.model.credentials.get(user_id, {}).items():
            slots = servers[server_id].slots if server_id in servers else {}
            names |= dict.fromkeys(slots[variable].name for variable in values if variable in slots)
        return sorted(names)

    async def _rows(self, where: str, **given: Any) -> list[KeyRow]:
        async with self._services.read.connection() as db, db.cursor(row_factory=class_row(KeyRow)) as cursor:
            await cursor.execute(KEYS.format(where=where), given)
            return list(await cursor.fetchall())


def _refuse(what: str) -> Any:
    raise UnknownScope(what)
