"""What a PostgreSQL server of the operator's own (`DATABASE_URL`) must offer, checked before anything relies on it.

Each failing check is one sentence: what failed, and what to do. What the hub can do without is a warning.
"""

import secrets
from contextlib import suppress
from importlib.resources.abc import Traversable
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from mcphub.postgres.copying import left_for
from mcphub.postgres.migrate import APPLIED, MigrationError, load
from mcphub.postgres.pool import conninfo, explain

OLDEST_VERSION = 150000
NOTIFY_WITHIN_S = 2.0

NO_VECTOR = (
    "the extension vector is not available on the database server: tool search uses words only."
    " Install pgvector there to search by meaning."
)
NO_LISTEN = (
    "LISTEN does not work through this database URL, as behind a pooler in transaction mode: changes made by other"
    " nodes are noticed by polling. Set MCPHUB_DATABASE_DIRECT_URL to a direct connection."
)


class DatabaseUnusable(Exception):
    """The hub cannot work on this server; the message is for its operator and holds no password."""


def check_server(url: str, *, direct_url: str = "") -> list[str]:
    """The server itself, before any migration. Returns warnings; changes nothing. Blocking.

    Args:
        direct_url: a connection past any pooler, for LISTEN and locks; empty when `url` is one.

    Raises:
        DatabaseUnusable: unreachable, too old, read-only, or not UTF-8.
    """
    warnings = []
    with _connect(url) as db:
        version = db.info.server_version
        if version < OLDEST_VERSION:
            raise DatabaseUnusable(version_refusal(version))
        if _value(db, "select pg_is_in_recovery()"):
            raise DatabaseUnusable(
                "the database server is a standby and takes no writes."
                " Add target_session_attrs=read-write to DATABASE_URL and name the primary in it."
            )
        encoding = _value(db, "show server_encoding")
        if encoding != "UTF8":
            raise DatabaseUnusable(
                f"the database {db.info.dbname} is encoded in {encoding}."
                " Make one with `create database … encoding 'UTF8' template template0`."
            )
        if not _value(db, "select exists (select from pg_available_extensions where name = 'vector')"):
            warnings.append(NO_VECTOR)
        if not _listen_works(direct_url or url, db):
            warnings.append(NO_LISTEN)
    return warnings


def check_schema(url: str, folder: Traversable, *, minimum: int | None = None) -> None:
    """The schema and the rights of the role in `url`, after migrations. Blocking.

    Args:
        folder: the migrations of this code; its last one is the newest schema it knows. It understands a newer one
            whose migrations allow code of its age.
        minimum: the oldest schema it understands; the newest by default.

    Raises:
        DatabaseUnusable: the schema is newer or older, or the role may not append.
    """
    try:
        newest = max((file.version for file in load(folder)), default=0)
    except MigrationError as error:
        raise DatabaseUnusable(str(error)) from error
    oldest = newest if minimum is None else minimum
    with _connect(url) as db:
        if not _value(db, "select to_regclass('schema_migration') is not null"):
            raise DatabaseUnusable("the database has no schema of the hub yet. Run `mcphub migrate`.")
        if where := left_for(db):
            raise DatabaseUnusable(
                f"the hub of this database moved to {where}: set or unset DATABASE_URL accordingly. To go back to the"
                " state before, run `comment on table ledger_head is null` here as the owner."
            )
        found = _value(db, "select coalesce(max(version), 0) from schema_migration")
        needed = _value(
            db, f"select coalesce(max(oldest_code), 0) from ({APPLIED}) as done (version, sha256, oldest_code)"
        )
        if needed > newest:
            raise DatabaseUnusable(
                f"the database schema {found:04} is newer than this release understands ({newest:04})."
                " Run the newer release, or restore the backup made before it."
            )
        if found < oldest:
            raise DatabaseUnusable(
                f"the database schema {found:04} is older than this release needs ({oldest:04}). Run `mcphub migrate`."
            )
        allowed = _value(
            db, "select bool_or(has_function_privilege(oid, 'execute')) from pg_proc where proname = 'ledger_append'"
        )
        if allowed is None:
            raise DatabaseUnusable("the database has no function ledger_append. Run `mcphub migrate`.")
        if not allowed:
            raise DatabaseUnusable(
                f"the role {db.info.user} may not append to the ledger."
                f" Run `grant mcphub_app to {db.info.user}` as the owner, or connect as the owner."
            )


def version_refusal(version: int) -> str:
    """`version` as in `server_version_num`: 140011 is 14.11."""
    return (
        f"the database server runs PostgreSQL {version // 10000}.{version % 10000}, and the hub needs 15 or newer."
        " Upgrade the server, or leave DATABASE_URL unset to use the embedded one."
    )


def _listen_works(direct_url: str, notifier: psycopg.Connection[Any]) -> bool:
    """Does a NOTIFY sent here reach a LISTEN there? On one and the same connection it would, even behind a pooler."""
    channel = sql.Identifier(f"mcphub_probe_{secrets.token_hex(4)}")
    with _connect(direct_url) as listener, suppress(psycopg.Error):
        listener.execute(sql.SQL("listen {}").format(channel))
        notifier.execute(sql.SQL("notify {}").format(channel))
        return any(True for _ in listener.notifies(timeout=NOTIFY_WITHIN_S, stop_after=1))
    return False


def _connect(url: str) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(conninfo(url, name="mcphub-check"), autocommit=True)
    except ValueError as error:
        raise DatabaseUnusable(str(error)) from None
    except psycopg.Error as error:
        target = conninfo_to_dict(url)
        where = f"{target.get('dbname', '')} at {target.get('host', 'the local socket')}"
        raise DatabaseUnusable(f"the database {where} cannot be reached: {explain(error)}") from None


def _value(db: psycopg.Connection[Any], query: str) -> Any:
    row = db.execute(query).fetchone()
    return row[0] if row else None
