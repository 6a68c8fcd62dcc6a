"""A file for whoever helps from afar: what this hub is, how it is set up and what it complains about.

Nothing in it is a secret or names a person. What goes in is chosen, never what stays out: settings of which nobody said
that they may be shown are only said to be set; of the database it has names of tables, numbers and states; PostgreSQL's
log loses its statements and every quoted word that is no name of the schema; the hub's own lines are redacted twice.
"""

import io
import os
import platform
import re
import tarfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from msgspec import Struct, structs
from psycopg.conninfo import conninfo_to_dict

from mcphub.doctor import Finding, examine
from mcphub.foundation import Foundation
from mcphub.logging import PROBLEMS, redacted
from mcphub.operations.master_keys import standing
from mcphub.postgres.embedded import PostgresFailed
from mcphub.postgres.home import HomeUnusable, running_hub
from mcphub.postgres.migrate import migrations_folder, pending
from mcphub.postgres.pool import explain
from mcphub.postgres.server_checks import DatabaseUnusable
from mcphub.settings import Settings

LAST_BYTES = 512 * 1024  # of a log
# Settings that are shown as they are, and every number.
SHOWN = {
    *("home", "host", "public_url", "allowed_hosts", "allowed_origins", "trusted_proxies", "new_users"),
    *("egress_allow", "egress_direct", "ca_file", "stdio_commands", "stdio_sandbox", "checkpoints"),
    *("audit_mode", "log_level", "log_format", "node", "unknown"),
}
SHOWN_OF_EMBEDDING = ("provider", "model", "dimensions")
SHOWN_OF_DSN = ("host", "port", "dbname", "user", "sslmode", "target_session_attrs")
SHOWN_OF_PROVIDER = ("kind", "name", "issuer", "callback_url", "scopes", "subject_claim", "groups_claim")
# What PostgreSQL writes at the end of a line may be anything a user wrote.
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d \S+ \S+ \[\d+\]")
LEFT_OUT = re.compile(r"\b(STATEMENT|DETAIL|HINT|CONTEXT|QUERY): .*$|(?<= ms)\s+(?:\w+\b[^:]*:).*$")
QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")
HIDDEN = '"…"'

NAMES = """
    select relname::text from pg_class union select attname::text from pg_attribute
    union select proname::text from pg_proc
    union select rolname::text from pg_roles union select conname::text from pg_constraint
    union select name from pg_settings union select datname::text from pg_database
"""
TABLES = """
    select relnamespace::regnamespace || '.' || relname as table, pg_total_relation_size(oid) as bytes,
           greatest(reltuples, 0)::bigint as rows
    from pg_class
    where relkind = 'r' and relnamespace in (select oid from pg_namespace where nspname in ('public', 'read'))
    order by 1
"""
QUESTIONS = {
    "server": "select version(), current_setting('server_encoding') as encoding, pg_postmaster_start_time() as since",
    "size": "select pg_database_size(current_database()) as bytes",
    "ledger": "select position, recorded_at from ledger_head",
    "events": "select type, count(*), max(recorded_at) as last from ledger group by type order by type",
    "projections": "select name, status, position, error from tracking order by name",
    "connections": """
        select application_name, state, count(*) from pg_stat_activity
        where datname = current_database() and application_name like 'mcphub%' group by 1, 2 order by 1, 2
    """,
    "settings": "select name, setting, unit from pg_settings where source not in ('default', 'override') order by name",
    "tables": TABLES,
}
# Of pg_settings: paths and what an operator put into them are left out.
SHOWN_OF_POSTGRES = re.compile(r"^(max_|shared_|work_mem|maintenance_|wal_|fsync|synchronous_|jit|io_|log_|autovacuum)")


class Part(Struct, frozen=True):
    """A file of the bundle."""

    name: str
    content: bytes


async def write_bundle(settings: Settings, path: Path) -> list[Part]:
    """Makes the file, for its owner alone; what cannot be found out is said in it.

    Raises:
        FileExistsError: there is something of that name.
        OSError: it cannot be written.
    """
    findings = await examine(settings)
    database, names = await _database(settings)
    logs = settings.home / "logs"
    parts = [
        _json("about.json", _about(settings)),
        _json("settings.json", shown(settings)),
        _json("doctor.json", [_finding(finding) for finding in findings]),
        _json("database.json", database),
        _text("logs/postgres.log", postgres_lines(_tail(logs / "postgres.log"), names)),
        _text("logs/hub.log", hub_lines(_tail(logs / PROBLEMS))),
    ]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for part in parts:
            entry = tarfile.TarInfo(f"mcphub-support/{part.name}")
            entry.size, entry.mode, entry.mtime = len(part.content), 0o600, int(time.time())
            archive.addfile(entry, io.BytesIO(part.content))
    return parts


def shown(settings: Settings) -> dict[str, Any]:
    """The settings, with a word in the place of each that is not said to be harmless."""
    out: dict[str, Any] = {}
    for name, value in structs.asdict(settings).items():
        if name == "insecure":
            continue  # commands have it whatever the environment says
        if name in SHOWN or isinstance(value, int | float):
            out[name] = value
        elif name in ("database_url", "database_direct_url", "database_replica_url"):
            out[name] = _dsn(value)
        elif name == "embedding":
            out[name] = {field: getattr(value, field) for field in SHOWN_OF_EMBEDDING}
        elif name == "providers":
            out[name] = [{field: getattr(one, field) for field in SHOWN_OF_PROVIDER} for one in value]
        elif name in ("hub_variables", "config_env"):
            out[name] = sorted(value)  # names alone
        else:
            out[name] = "set" if value else "not set"
    return out


def postgres_lines(lines: list[str], names: set[str]) -> Iterator[str]:
    """
    Args:
        names: of the schema and the server, which may stand in quotes.
    """
    for line in lines:
        if LOG_LINE.match(line):  # and not the second line of a statement
            text = LEFT_OUT.sub(lambda found: f"{found[1]}: …" if found[1] else " …", line)
            yield str(redacted(QUOTED.sub(lambda found: found[0] if found[0][1:-1] in names else HIDDEN, text)))


def hub_lines(lines: list[str]) -> Iterator[str]:
    for line in lines:
        try:
            record = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue  # cut off at the beginning
        yield msgspec.json.encode(redacted(record), order="deterministic").decode()


def _about(settings: Settings) -> dict[str, Any]:
    packages = sorted({f"{one.name} {one.version}" for one in distributions()}, key=str.lower)
    return {
        "made": datetime.now(UTC),
        "mcphub": version("mcphub"),
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "root": os.geteuid() == 0,
        "running": running_hub(settings.home) is not None,
        "packages": packages,
    }


def _finding(finding: Finding) -> Finding:
    return Finding(finding.about, finding.level, str(redacted(finding.found)), finding.remedy)


async def _database(settings: Settings) -> tuple[dict[str, Any], set[str]]:
    if not settings.database_url and not any(settings.home.glob("pg/*/PG_VERSION")):
        return {"there": False}, set()
    try:
        async with Foundation(settings, attach=True, migrating=False, depth="database") as base:
            with psycopg.connect(base.database.read_only, autocommit=True) as db:
                names = {str(name) for (name,) in db.execute(NAMES).fetchall()}
                found: dict[str, Any] = {name: _asked(db, question) for name, question in QUESTIONS.items()}
                found["settings"] = [one for one in found["settings"] if SHOWN_OF_POSTGRES.match(str(one.get("name")))]
                found["masterKeys"] = standing(db).key_ids
            found["pending"] = pending(base.database.owner, migrations_folder())
            return found, names
    except (HomeUnusable, DatabaseUnusable, PostgresFailed) as error:
        return {"there": True, "error": str(error)}, set()
    except psycopg.Error as error:
        return {"there": True, "error": explain(error)}, set()


def _asked(db: "psycopg.Connection[Any]", question: str) -> list[dict[str, Any]]:
    try:
        cursor = db.execute(question)
        columns = [column.name for column in cursor.description or ()]
        return [{name: redacted(value) for name, value in zip(columns, row, strict=True)} for row in cursor.fetchall()]
    except psycopg.Error as error:
        return [{"error": explain(error)}]


def _dsn(text: str) -> dict[str, Any] | str:
    if not text:
        return "not set"
    try:
        parts = conninfo_to_dict(text)
    except psycopg.Error:
        return "set, and cannot be read"
    return {name: parts[name] for name in SHOWN_OF_DSN if parts.get(name)}


def _tail(path: Path) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LAST_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []


def _json(name: str, value: Any) -> Part:
    return Part(name, msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain)) + b"\n")


def _text(name: str, lines: Iterator[str]) -> Part:
    return Part(name, "".join(f"{line}\n" for line in lines).encode())


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set | frozenset) else str(value)
