"""Migrations: `migrations/NNNN_name.sql`, plain SQL, forward only, each in a transaction of its own.

Two hubs starting at once take turns. A database newer than the code, and a file edited after it was applied, are
refused before anything is touched.

While several nodes are brought up to date one after the other, those of before go on and start again on the schema of
after, when its migrations allow it: one that says `-- oldest code: 0017` in a line of its own is understood by code
that knows migrations up to 0017. One that says nothing is understood by none before it.
"""

import re
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql

import mcphub
from mcphub.postgres.copying import is_empty

FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
OLDEST_CODE = re.compile(r"^-- oldest code: (\d{4})$", re.M)
OTHER_ROLES = ("mcphub_app", "mcphub_ro")

CREATE_SCHEMA_MIGRATION = """
create table if not exists schema_migration (
    version    integer     primary key,
    name       text        not null,
    sha256     bytea       not null,
    applied_at timestamptz not null default clock_timestamp()
);
grant select on schema_migration to public;  -- every role may ask whether the schema fits it
"""


HAS_OLDEST_CODE = """
    select 1 from pg_attribute
    where attrelid = 'schema_migration'::regclass and attname = 'oldest_code' and not attisdropped
"""
# Of a database that was made before there was such a column, too.
APPLIED = """
    select version, sha256, coalesce((to_jsonb(done) ->> 'oldest_code')::integer, version) from schema_migration as done
"""


OUTGROWN = """
    select max(version) from schema_migration as done
    where version > %(schema)s and coalesce((to_jsonb(done) ->> 'oldest_code')::integer, version) > %(schema)s
"""


class MigrationError(Exception):
    """The schema cannot be brought to this code's; the message says why. What was applied before stays applied."""


class Migration(NamedTuple):
    version: int
    name: str
    sql: str

    @property
    def digest(self) -> bytes:
        return sha256(self.sql.encode()).digest()

    @property
    def oldest_code(self) -> int:
        """The last migration that code has to know to go on with this one applied."""
        found = OLDEST_CODE.search(self.sql)
        return int(found[1]) if found else self.version

    def __str__(self) -> str:
        return f"{self.version:04}_{self.name}"


def migrate(
    dsn: str, folder: Traversable, *, upto: int | None = None, before: Callable[[list[str]], None] | None = None
) -> list[str]:
    """Applies what is missing, in order, and returns it. Needs a direct connection as the owner of the schema.

    Args:
        upto: the last one to apply, for a backup of that schema; all by default.
        before: told what is missing in a database that holds a hub, while no other hub migrates it. When it raises,
            nothing is applied.

    Raises:
        MigrationError: refused, or a file failed; its own transaction is rolled back.
    """
    files = load(folder)
    applied = []
    with psycopg.connect(dsn, autocommit=True, application_name="mcphub-migrate") as db:
        db.execute("select pg_advisory_lock(hashtext('mcphub.migrate'))")  # released with the connection
        db.execute(CREATE_SCHEMA_MIGRATION)
        if not db.execute(HAS_OLDEST_CODE).fetchone():
            db.execute("alter table schema_migration add column oldest_code integer")
        missing = _missing(db, files)
        if missing and before is not None and not is_empty(db):
            before([str(file) for file in missing])
        for file in missing:
            if upto is not None and file.version > upto:
                break
            try:
                with db.transaction():
                    db.execute(file.sql)
                    db.execute(
                        "insert into schema_migration (version, name, sha256, oldest_code) values (%s, %s, %s, %s)",
                        (file.version, file.name, file.digest, file.oldest_code),
                    )
            except psycopg.Error as error:
                raise MigrationError(f"migration {file} failed: {error.diag.message_primary or error}") from error
            applied.append(str(file))
    return applied


def pending(dsn: str, folder: Traversable) -> list[str]:
    """What `migrate` would apply; changes nothing and needs no more than SELECT.

    Raises:
        MigrationError: as `migrate` would refuse.
    """
    files = load(folder)
    with psycopg.connect(dsn, autocommit=True, application_name="mcphub-migrate") as db:
        found = db.execute("select to_regclass('schema_migration') is not null").fetchone()
        return [str(file) for file in (_missing(db, files) if found and found[0] else files)]


def load(folder: Traversable) -> list[Migration]:
    """The migrations of a folder, numbered 1, 2, 3 … without gaps.

    Raises:
        MigrationError: a gap, a number used twice, or a name that does not read `0001_name.sql`.
    """
    found = []
    for entry in folder.iterdir():
        if not entry.name.endswith(".sql"):
            continue
        match = FILE_NAME.fullmatch(entry.name)
        if match is None:
            raise MigrationError(f"{entry.name} is no migration: name it like 0001_ledger.sql")
        found.append(Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8")))
    found.sort()
    for expected, file in enumerate(found, start=1):
        if file.version != expected:
            raise MigrationError(f"migration {expected:04} is missing: {file} comes in its place")
    return found


def migrations_folder() -> Path:
    """The package's migrations, or the repository's when the package runs from its sources."""
    package = Path(mcphub.__file__).parent
    for folder in (package / "migrations", package.parent / "migrations"):
        if folder.is_dir():
            return folder
    raise MigrationError(f"no migrations found beside {package}; the installation is incomplete")


@cache
def newest_schema() -> int:
    """The number of the last migration this code knows."""
    return max(file.version for file in load(migrations_folder()))


def outgrown(version: int) -> MigrationError:
    """For a hub that ran while the database became newer than its code, by the migration of this number."""
    return MigrationError(_newer(f"{version:04}"))


def _newer(numbers: str) -> str:
    return (
        f"the database is newer than this code: it has migration {numbers}. Run the newer release, or restore the"
        " backup made before it."
    )


def ensure_roles(dsn: str) -> list[str]:
    """Makes the roles that migrations grant to, without a login, and returns those that are missing still.

    For a managed server, where the hub has one role; the embedded server has them all from the start.
    """
    with psycopg.connect(dsn, autocommit=True, application_name="mcphub-migrate") as db:
        for role in _absent(db):
            try:
                db.execute(sql.SQL("create role {} nologin").format(sql.Identifier(role)))
            except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                pass  # another hub was faster
            except psycopg.errors.InsufficientPrivilege:
                break
        return _absent(db)


def _missing(db: psycopg.Connection[Any], files: list[Migration]) -> list[Migration]:
    rows = db.execute(APPLIED).fetchall()
    done = {version: bytes(digest) for version, digest, _ in rows}
    known = {file.version for file in files}
    if newer := sorted(version for version, _, oldest in rows if version not in known and oldest not in known):
        numbers = ", ".join(f"{version:04}" for version in newer)
        raise MigrationError(_newer(numbers))
    for file in files:
        if file.version in done and done[file.version] != file.digest:
            raise MigrationError(f"{file}.sql was edited after it was applied; put the change in a new migration")
    return [file for file in files if file.version not in done]


def _absent(db: psycopg.Connection[Any]) -> list[str]:
    found = db.execute("select rolname from pg_roles where rolname = any(%s)", [list(OTHER_ROLES)])
    known = {name for (name,) in found}
    return [role for role in OTHER_ROLES if role not in known]
