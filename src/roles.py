"""Background roles that act in the hub's own name: erasure and its remains, expiry, and the use of keys.

Each round is idempotent and safe to cut off; whatever a crash left undone, the next start finds and finishes.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import structlog
from psycopg_pool import ConnectionPool

from mcphub.domain.access import AccessModel
from mcphub.domain.actor import acting, system
from mcphub.domain.codec import Recorded
from mcphub.domain.events import (
    HubVariableRemoved,
    HubVariableSet,
    PasswordSet,
    ServiceTokenRemoved,
    ServiceTokenSaved,
    UserErased,
)
from mcphub.domain.hub import Command, Hub
from mcphub.domain.keys import NoteKeyExpired, NoteKeyFirstUsed
from mcphub.domain.users import CertifyErasure
from mcphub.domain.vault import PERSONAL, Vault, key_of

log = structlog.get_logger()


def utc_now() -> datetime:
    return datetime.now(UTC)


async def run_as(hub: Hub, role: str, build: Callable[[], Command], *, causation_id: str = "") -> None:
    """Runs a command in a thread in the hub's own name."""

    def work() -> None:
        with acting(system(role, causation_id=causation_id)):
            hub.execute(build)

    await asyncio.to_thread(work)


class Erasure:
    """Destroys the data keys of erased users, and of values, passwords and hub variables nobody stores any more.

    The handler that erased already tried; this makes it certain: after a crash in between, and after an import or an
    older backup of the keys that brought an erased user's keys back.
    """

    ORPHAN_AGE = "1 hour"  # a value sealed but not yet appended is that young

    def __init__(self, hub: Hub, vault: Vault, model: AccessModel, pool: ConnectionPool[Any]) -> None:
        self._hub = hub
        self._vault = vault
        self._model = model
        self._pool = pool
        self._erased: dict[str, str] = {}  # user → id of the event
        self._stored: dict[tuple[str, ...], str] = {}  # place → data key of what is stored there now
        self._due: list[str] = []
        self._rung = asyncio.Event()

    def facts_applied(self, facts: Sequence[Recorded]) -> None:
        """The tail's sink: only notes what is due; the role does the work."""
        for recorded in facts:
            match recorded.event:
                case UserErased(user_id=user):
                    self._erased[user] = recorded.id
                    self._rung.set()
                case ServiceTokenSaved(user_id=user, server_id=server, variable=name, data_key=key):
                    self._replace((user, server, name), key)
                case PasswordSet(user_id=user, sealed=sealed):
                    self._replace((user,), key_of(sealed))
                case ServiceTokenRemoved(user_id=user, server_id=server, variable=name, data_key=key):
                    self._remove((user, server, name), key)
                case HubVariableSet(name=name, data_key=key):
                    self._replace(("hub variable", name), key)
                case HubVariableRemoved(name=name, data_key=key):
                    self._remove(("hub variable", name), key)

    def _replace(self, place: tuple[str, ...], key: str) -> None:
        old = self._stored.get(place)
        if old and old != key:
            self._due.append(old)
            self._rung.set()
        self._stored[place] = key

    def _remove(self, place: tuple[str, ...], key: str) -> None:
        self._stored.pop(place, None)
        self._due.append(key)
        self._rung.set()

    async def run(self) -> None:
        """For ever; one failing round is tried again a second later."""
        while True:
            await self._rung.wait()
            self._rung.clear()
            try:
                await self.round()
            except Exception as error:
                log.warning("erasure_failed", why=type(error).__name__, retry_in_s=1)
                self._rung.set()
                await asyncio.sleep(1)

    async def round(self) -> None:
        """Destroys what is due."""
        while self._due:
            due, self._due = self._due, []  # facts that come in meanwhile add to the new list
            try:
                await asyncio.to_thread(self._destroy, due)
            except BaseException:
                self._due = due + self._due  # destroying twice is fine
                raise
        for user, event_id in list(self._erased.items()):
            destroyed = await asyncio.to_thread(self._vault.destroy_owner, user)
            await run_as(self._hub, "erasure", lambda u=user, n=destroyed: CertifyErasure(u, n), causation_id=event_id)  # type: ignore[misc]
            del self._erased[user]

    async def sweep(self) -> int:
        """Destroys the data keys of values that no fact stores, sealed for a change that was then refused, and of
        people who never became users: the hub died between sealing their names and registering them."""
        stored = {
            value.data_key
            for servers in self._model.credentials.values()
            for values in servers.values()
            for value in values.values()
        }
        stored |= {key_of(user.password) for user in self._model.users.values()}
        stored |= {variable.data_key for variable in self._model.hub_variables.stored.values()}
        living = {user.user_id for user in self._model.users.values() if not user.erased}
        return await asyncio.to_thread(self._sweep, stored, living, self._model.position)

    def _sweep(self, stored: set[str], users: set[str], position: int) -> int:
        with self._pool.connection() as db:
            head = db.execute("select position from ledger_head").fetchone()
            if head is None or head[0] > position:
                return (
                    0  # facts this process has not seen may store what looks like an orphan; the next round asks again
                )
            rows = db.execute(
                "select id::text, owner, purpose from data_key where purpose in"
                " ('token', 'password', 'hub_variable', 'personal')"
                " and created_at < now() - %s::interval",
                (self.ORPHAN_AGE,),
            ).fetchall()
        orphans = [
            key for key, owner, purpose in rows if (owner not in users if purpose == PERSONAL else key not in stored)
        ]
        self._destroy(orphans)
        if orphans:
            log.info("orphaned_keys_destroyed", count=len(orphans))
        return len(orphans)

    def _destroy(self, key_ids: Sequence[str]) -> None:
        for key_id in key_ids:
            self._vault.destroy(key_id)


class KeyRemains:
    """Rewrites the table of data keys after some were destroyed: PostgreSQL leaves a deleted row's bytes in its page.

    What remains after that is in the write-ahead log, until its segment is written anew.

    Args:
        owner: how to reach the database as the owner of the table; nobody else may rewrite it.
    """

    DELETED = "select pg_stat_get_tuples_deleted('data_key'::regclass)"

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._deleted = -1  # rows ever, as of the last look; nobody knows what was deleted before this hub's start
        self._owed = 0  # rewritings

    async def round(self) -> None:
        await asyncio.to_thread(self._round)

    def _round(self) -> None:
        with psycopg.connect(self._owner, autocommit=True, application_name="mcphub-key-remains") as db:
            row = db.execute(self.DELETED).fetchone()
            if row is not None and row[0] != self._deleted:
                # Twice, a round apart: a transaction that is open at the first may still see what was deleted.
                self._deleted, self._owed = row[0], 2
            if not self._owed:
                return
            # Everybody who seals or opens waits behind this, so it does not wait long for a dump to end.
            db.execute("set lock_timeout = '200ms'")
            try:
                db.execute("vacuum (full) data_key")
            except psycopg.errors.LockNotAvailable:
                return  # the next round tries again
            self._owed -= 1


class KeyExpiry:
    """Writes the audit line of keys whose time is over."""

    def __init__(self, hub: Hub, model: AccessModel, now: Callable[[], datetime] = utc_now) -> None:
        self._hub = hub
        self._model = model
        self._now = now
        self._noted: set[tuple[str, datetime]] = set()

    async def round(self) -> None:
        now = self._now()
        due = [
            key
            for key in self._model.keys.values()
            if not key.revoked and now >= key.expires_at and (key.key_id, key.expires_at) not in self._noted
        ]
        for key in due:
            await run_as(self._hub, "expiry", lambda k=key: NoteKeyExpired(k.user_id, k.key_id, now))  # type: ignore[misc]
            self._noted.add((key.key_id, key.expires_at))


class KeyUse:
    """Counts uses of keys in memory and writes them once a minute; the first use of a key becomes a fact."""

    FLUSH = """
        insert into key_use (key_id, last_used_at, use_count) values (%s, %s, %s)
        on conflict (key_id) do update set
            last_used_at = greatest(key_use.last_used_at, excluded.last_used_at),
            use_count = key_use.use_count + excluded.use_count
    """

    def __init__(
        self, hub: Hub, model: AccessModel, pool: ConnectionPool[Any], now: Callable[[], datetime] = utc_now
    ) -> None:
        self._hub = hub
        self._model = model
        self._pool = pool
        self._now = now
        self._counts: dict[str, int] = {}
        self._first: set[str] = set()

    def used(self, key_id: str) -> None:
        """A request came in with this key; costs a dict entry."""
        self._counts[key_id] = self._counts.get(key_id, 0) + 1
        key = self._model.keys.get(key_id)
        if key is not None and not key.used:
            self._first.add(key_id)

    async def round(self) -> None:
        """Writes what was counted since the last round; what cannot be written is counted again."""
        counts, self._counts = self._counts, {}
        first, self._first = self._first, set()
        try:
            for key_id in list(first):
                key = self._model.keys.get(key_id)
                if key is not None and not key.used:
                    await run_as(self._hub, "key-use", lambda k=key: NoteKeyFirstUsed(k.user_id, k.key_id, self._now()))  # type: ignore[misc]
                first.discard(key_id)
            if counts:
                await asyncio.to_thread(self._write, counts)
        except Exception:
            self._first |= first
            for key_id, count in counts.items():
                self._counts[key_id] = self._counts.get(key_id, 0) + count
            raise

    def _write(self, counts: dict[str, int]) -> None:
        now = self._now()
        with self._pool.connection() as db, db.cursor() as cursor:
            cursor.executemany(self.FLUSH, [(key_id, now, count) for key_id, count in sorted(counts.items())])
