"""By what a provider can be asked again what a user is a member of: one sealed token a user, of those only whom an
allow-list let in or of whom memberships are known. Each has a data key of its own, which dies with it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg_pool import ConnectionPool

from mcphub.domain.vault import Unopenable, Vault, key_of

PURPOSE = "sign-in"
DAY = "24 hours"
ASKING = "10 minutes"  # a look that has not ended by then was cut off
SETTLED = "1 hour"  # older than any registration under way
AT_ONCE = 50

SAVE = f"""
    insert into provider_grant (user_id, issuer, sealed, seen_at, due_at)
    values (%(user)s, %(issuer)s, %(sealed)s, clock_timestamp(), clock_timestamp() + interval '{DAY}')
    on conflict (user_id) do update set
        issuer = excluded.issuer,
        sealed = case when excluded.sealed = '' then provider_grant.sealed else excluded.sealed end,
        seen_at = excluded.seen_at,
        listed_at = case when %(listed)s then clock_timestamp() else provider_grant.listed_at end,
        due_at = excluded.due_at
"""
# Who signed in before there was an allow-list, or was let in again by an administrator, has a day to sign in.
MISSING = f"""
    insert into provider_grant (user_id, issuer, sealed, seen_at, due_at)
    select user_id, %(issuer)s, '', clock_timestamp(), clock_timestamp() + interval '{DAY}'
    from unnest(%(users)s::text[]) as user_id
    on conflict (user_id) do nothing
"""
DUE = f"""
    update provider_grant set due_at = clock_timestamp() + interval '{ASKING}'
    where user_id in (
        select user_id from provider_grant
        where issuer = %(issuer)s and due_at <= clock_timestamp() and user_id = any(%(users)s)
        order by due_at limit {AT_ONCE} for update skip locked
    )
    returning user_id, sealed, seen_at, listed_at
"""
UNNEEDED = f"""
    delete from provider_grant
    where seen_at < clock_timestamp() - interval '{SETTLED}'
      and not exists (
          select from unnest(%(users)s::text[], %(issuers)s::text[]) as needed (user_id, issuer)
          where needed.user_id = provider_grant.user_id and needed.issuer = provider_grant.issuer)
    returning sealed
"""


class Grant(Struct, frozen=True):
    """`sealed` is '' when the provider gave nothing to ask with.

    `seen_at`: when the provider last vouched for the user; `listed_at`: when it last said what they belong to.
    """

    user_id: str
    issuer: str
    sealed: str
    seen_at: datetime
    listed_at: datetime


class Grants:
    """Rows of `provider_grant`. Calls block.

    Args:
        pool: connections in autocommit mode, as the application role.
    """

    def __init__(self, vault: Vault, pool: ConnectionPool[Any]) -> None:
        self._vault = vault
        self._pool = pool

    def save(self, user_id: str, issuer: str, grant: str, *, listed: bool) -> None:
        """The provider vouches for the user now; '' keeps what it gave before.

        Args:
            listed: it said what the user belongs to, too.
        """
        sealed = self._seal(user_id, issuer, grant)
        with self._pool.connection() as db, db.transaction():
            row = db.execute("select sealed from provider_grant where user_id = %s for update", (user_id,)).fetchone()
            db.execute(SAVE, {"user": user_id, "issuer": issuer, "sealed": sealed, "listed": listed})
        if row is not None and sealed:
            self._forget(row[0])

    def expect(self, issuer: str, users: Sequence[str]) -> None:
        """These will be asked for; who has no row yet, in a day."""
        with self._pool.connection() as db:
            db.execute(MISSING, {"issuer": issuer, "users": list(users)})

    def due(self, issuer: str, users: Sequence[str]) -> list[Grant]:
        """Those whom it is time to ask for; asked for here, they are not handed out elsewhere meanwhile."""
        with self._pool.connection() as db:
            rows = db.execute(DUE, {"issuer": issuer, "users": list(users)}).fetchall()
        return [Grant(user, issuer, sealed, seen_at, listed_at) for user, sealed, seen_at, listed_at in rows]

    def open(self, grant: Grant) -> str:
        """The token; '' when there is none any more."""
        if not grant.sealed:
            return ""
        try:
            return self._vault.open(grant.sealed, PURPOSE, (grant.user_id, grant.issuer))
        except Unopenable:
            return ""

    def settle(self, grant: Grant, token: str, *, seen: bool, hours: float, listed: bool = False) -> None:
        """Keeps the token to ask with next time, `hours` from now; a sign-in meanwhile has given a newer one."""
        same = token == self.open(grant)
        sealed = grant.sealed if same else self._seal(grant.user_id, grant.issuer, token)
        with self._pool.connection() as db:
            done = db.execute(
                "update provider_grant set sealed = %s, due_at = clock_timestamp() + make_interval(secs => %s),"
                " seen_at = case when %s then clock_timestamp() else seen_at end,"
                " listed_at = case when %s then clock_timestamp() else listed_at end"
                " where user_id = %s and sealed = %s",
                (sealed, hours * 3600, seen, listed, grant.user_id, grant.sealed),
            )
        if not same:
            self._forget(grant.sealed if done.rowcount else sealed)

    def drop(self, user_id: str) -> None:
        """Forgets it."""
        with self._pool.connection() as db:
            row = db.execute("delete from provider_grant where user_id = %s returning sealed", (user_id,)).fetchone()
        if row is not None:
            self._forget(row[0])

    def keep_only(self, needed: Iterable[tuple[str, str]]) -> int:
        """Forgets every other than those of these (user, issuer); returns how many those were."""
        pairs = list(needed)
        with self._pool.connection() as db:
            rows = db.execute(
                UNNEEDED, {"users": [user for user, _ in pairs], "issuers": [issuer for _, issuer in pairs]}
            ).fetchall()
        for (sealed,) in rows:
            self._forget(sealed)
        return len(rows)

    def _seal(self, user_id: str, issuer: str, token: str) -> str:
        return self._vault.seal_new(user_id, PURPOSE, (user_id, issuer), token)[1] if token else ""

    def _forget(self, sealed: str) -> None:
        if key := key_of(sealed):
            self._vault.destroy(key)
