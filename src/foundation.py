"""What a hub stands on: its home, its database with today's schema, its master keys; and on them the vault and the hub.

The server, the command line and the tests all begin here. With `DATABASE_URL` the embedded PostgreSQL is never touched.
"""

import asyncio
import os
import time
from functools import partial
from pathlib import Path
from typing import Any, Literal

import structlog
from msgspec import Struct
from psycopg_pool import ConnectionPool

from mcphub.domain.hub import Hub, plugged
from mcphub.domain.vault import MasterKeys, Ring, RingUnusable, Vault, WrappedKey, new_ring_text
from mcphub.operations.backup import back_up_first
from mcphub.operations.master_keys import RingFile
from mcphub.postgres.data_key import DataKeys
from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.home import AlreadyRunning, HomeLock
from mcphub.postgres.ledger import Factory
from mcphub.postgres.migrate import ensure_roles, migrate, migrations_folder
from mcphub.postgres.pool import command_pool
from mcphub.postgres.server_checks import check_schema, check_server
from mcphub.settings import Settings

log = structlog.get_logger()


class Database(Struct, frozen=True):
    """Where the data is. Every string is a secret: it holds a password."""

    owner: str  # migrations, import
    app: str  # everything at run time
    direct: str  # LISTEN and advisory locks, past any pooling proxy
    read_only: str  # backup, export


Depth = Literal["database", "schema", "keys"]


class Foundation:
    """Opened once a process.

    Args:
        settings: as read from the environment.
        attach: use the embedded server another hub process runs in the home, instead of refusing.
        migrating: bring the schema up to date; otherwise an outdated one is refused.
        depth: how far to go: to the database, whatever its schema; to a schema that fits; or to the keys and the hub.
            Short of the keys nothing is made in the home of a managed database.
    """

    def __init__(
        self, settings: Settings, *, attach: bool = False, migrating: bool = True, depth: Depth = "keys"
    ) -> None:
        self.settings = settings
        self.attach = attach
        self.migrating = migrating
        self.depth = depth
        self.database: Database
        self.pool: ConnectionPool[Any]
        self.vault: Vault
        self.hub: Hub
        self.fresh_home = False
        self.applied: list[str] = []
        self.warnings: list[str] = []
        self._server: EmbeddedPostgres | None = None
        self._lock: HomeLock | None = None

    async def __aenter__(self) -> "Foundation":
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _open(self) -> None:
        if self.depth == "keys" or not self.settings.database_url:
            try:
                self._lock = await asyncio.to_thread(HomeLock.take, self.settings.home)
            except AlreadyRunning:
                if not self.attach:
                    raise
        if self.settings.database_url:
            # Past any pooler, all of it: commands keep prepared statements, reads a search path, roles their locks.
            url = self.settings.database_direct_url
            self.database = Database(url, url, url, url)
            self.warnings += await asyncio.to_thread(check_server, url)
            if self.migrating:
                self.warnings += [
                    f"the role {role} does not exist and cannot be made; append-only rests on the trigger alone"
                    for role in await asyncio.to_thread(ensure_roles, url)
                ]
        else:
            await self._embedded()
        if self.depth == "database":
            return
        folder = migrations_folder()
        if self.migrating:
            first = partial(back_up_first, self.settings, self.database.read_only)
            self.applied = await asyncio.to_thread(migrate, self.database.owner, folder, before=first)
        await asyncio.to_thread(check_schema, self.database.app, folder)
        if self.depth == "schema":
            return
        self.pool = command_pool(self.database.app)
        await asyncio.to_thread(self.pool.open, True, 10)
        ring = await asyncio.to_thread(self._ring)
        self.vault = await asyncio.to_thread(Vault, DataKeys(self.pool, WrappedKey), ring, time.monotonic)
        Factory.use(self.pool)
        self.hub = plugged("mcphub.postgres.ledger:Factory", {})

    async def _embedded(self) -> None:
        home = self.settings.home
        if self._lock is None:
            self._server = EmbeddedPostgres.reach(home)
        else:
            self._server = await EmbeddedPostgres.start(home, lock=self._lock)
        dsn = self._server.dsn
        self.database = Database(dsn("mcphub_owner"), dsn("mcphub_app"), dsn("mcphub_app"), dsn("mcphub_ro"))

    @property
    def shared(self) -> bool:
        """Another process runs on this home right now."""
        return self._lock is None

    @property
    def postgres_ready(self) -> bool:
        """False while the embedded server is being restarted; a managed one answers for itself."""
        return self._server is None or self._lock is None or self._server.ready

    def _ring(self) -> MasterKeys:
        """The master keys: from the environment, else `master.key`, which only an empty hub makes anew.

        Raises:
            RingUnusable: missing, loose or unreadable.
        """
        if self.settings.master_keys:
            return Ring.parse(self.settings.master_keys)
        path = self.settings.ring_path
        if not path.exists():
            with self.pool.connection() as db:
                sealed = db.execute("select count(*) from data_key").fetchone()
            if sealed and sealed[0]:
                raise RingUnusable(
                    f"{path} is missing, and {sealed[0]} sealed keys wait for it: restore it from a backup"
                )
            write_private(path, new_ring_text())
            self.fresh_home = True
        return RingFile(path)

    async def close(self) -> None:
        """Stops what was started here, PostgreSQL last."""
        if hasattr(self, "pool"):
            await asyncio.to_thread(self.pool.close)
        if self._server is not None and self._lock is not None:
            await self._server.stop()
        if self._lock is not None:
            self._lock.release()


def write_private(path: Path, text: str) -> None:
    """A new file that nobody else may read, on the disk when this returns."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
