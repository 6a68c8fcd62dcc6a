"""What keeps a hub from starting or working, looked for one thing after the other; each finding with its remedy.

It changes nothing, and what it prints may be pasted anywhere: no value of a secret, no content of a file.
"""

import asyncio
import importlib.util
import os
import platform
import shutil
import socket
import ssl
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import psycopg
from msgspec import Struct
from psycopg.conninfo import conninfo_to_dict

from mcphub.api.health import LITTLE_SPACE, TOO_LITTLE_SPACE
from mcphub.domain.vault import Ring, RingUnusable, loose
from mcphub.foundation import Foundation
from mcphub.gateway.upstream import contained
from mcphub.http_server import PortUnusable, close_all, listen
from mcphub.operations.backup_age import AGES, backup_age
from mcphub.operations.master_keys import MOST_DAYS, Standing, standing
from mcphub.operations.retention import OLDEST, Kept, kept
from mcphub.postgres.home import HomeUnusable, running_hub
from mcphub.postgres.migrate import MigrationError, migrations_folder, pending
from mcphub.postgres.pool import explain
from mcphub.postgres.programs import PostgresFailed
from mcphub.postgres.server_checks import DatabaseUnusable
from mcphub.search.packages import missing
from mcphub.settings import Settings

FEW_FILES = 4096
PROGRAM_WITHIN_S = 5.0
ANSWER_WITHIN_S = 3.0
SDK = "opentelemetry.exporter.otlp.proto.http"
# program → what misses it
PROGRAMS = {
    "node": "servers written for Node.js",
    "npx": "servers started with npx",
    "uvx": "servers started with uvx",
}
PRIVATE = ("master.key", "pg.password", "first-key")

Level = Literal["ok", "warning", "error"]


class Finding(Struct, frozen=True):
    about: str
    level: Level
    found: str
    remedy: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Everything there is to say, in the order in which one would look."""
    return [
        *_versions(),
        *_settings(settings),
        *_search_model(settings),
        *_home(settings.home),
        *_space(settings.home),
        *_port(settings),
        *await asyncio.to_thread(lambda: list(_metrics(settings))),
        *await asyncio.to_thread(lambda: list(_traces(settings))),
        *await _database(settings),
        *await asyncio.to_thread(lambda: list(_sandbox(settings))),
        *await asyncio.to_thread(lambda: list(_programs())),
    ]


def report(findings: list[Finding]) -> str:
    marks = {"ok": "ok     ", "warning": "WARNING", "error": "ERROR  "}
    width = max(len(finding.about) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{marks[finding.level]}  {finding.about.ljust(width)}  {finding.found}")
        if finding.remedy:
            lines.append(" " * (width + 11) + f"→ {finding.remedy}")
    return "\n".join(lines)


def _versions() -> Iterator[Finding]:
    yield Finding("mcphub", "ok", version("mcphub"))
    yield Finding("python", "ok", f"{platform.python_version()} at {sys.executable}")
    yield Finding("system", "ok", f"{platform.system()} {platform.release()} {platform.machine()}, {_user()}")


def _user() -> str:
    return "as root" if os.geteuid() == 0 else f"as uid {os.geteuid()}"


def _settings(settings: Settings) -> Iterator[Finding]:
    for name in settings.unknown:
        yield Finding("environment", "warning", f"{name} is not a setting of the hub", "Look for a typing error in it.")
    if not settings.loopback and not settings.https:
        yield Finding(
            "public url",
            "warning",
            f"{settings.public_url} without https, listening on {settings.host}",
            "Put a proxy with TLS in front and set MCPHUB_PUBLIC_URL to its https address.",
        )
    else:
        yield Finding("public url", "ok", settings.public_url)
    for provider in settings.providers:
        about, where = f"sign-in by {provider.name}", f"{provider.issuer}, comes back to {provider.callback_url}"
        if provider.allow:
            yield Finding(about, "ok", f"{where}, allowed: {', '.join(sorted(provider.allow))}")
        else:
            named = "MCPHUB_GITHUB_ALLOW" if provider.kind == "github" else "MCPHUB_OIDC_ALLOW"
            waits = "" if settings.lets_in_at_once(provider) else ", and waits for an administrator"
            yield Finding(about, "warning", f"{where}; anybody with an account may come{waits}", f"Set {named}.")


def _search_model(settings: Settings) -> Iterator[Finding]:
    provider = settings.embedding.provider
    if why := missing(provider):
        found, _, remedy = why.partition(": ")
        yield Finding("search model", "error", f"{provider}: {found}; searches go by words alone", remedy)
    elif provider:
        yield Finding("search model", "ok", provider)


# the home


def _home(home: Path) -> Iterator[Finding]:
    try:
        found = home.stat()
    except FileNotFoundError:
        yield Finding("home", "ok", f"{home} does not exist yet; the first start makes it")
        return
    except OSError as error:
        yield Finding("home", "error", f"{home}: {error.strerror}", "Run as its owner, or name another --home.")
        return
    mode = stat.S_IMODE(found.st_mode)
    open_to_others = mode & (0o066 if found.st_uid == 0 else 0o077)
    if found.st_uid != os.geteuid():
        yield Finding(
            "home", "error", f"{home} belongs to uid {found.st_uid}", "Run as its owner, or name another --home."
        )
    elif open_to_others:
        closed = "711" if found.st_uid == 0 else "700"
        yield Finding("home", "warning", f"{home} has mode {mode:o}", f"chmod {closed} {home}")
    else:
        yield Finding("home", "ok", f"{home}, mode {mode:o}")
    for name in PRIVATE:
        yield from _private(home / name)


def _private(path: Path) -> Iterator[Finding]:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        if path.name == "master.key" and any(path.parent.glob("pg/*/PG_VERSION")) and not _ring_elsewhere():
            yield Finding(
                path.name,
                "error",
                "missing beside a database",
                "Restore it from a backup: without it no saved value can be opened again.",
            )
        return
    except OSError as error:
        yield Finding(path.name, "error", error.strerror or "unreadable", "Run as the owner of the home.")
        return
    if loose(mode):
        yield Finding(path.name, "error", f"mode {stat.S_IMODE(mode):o}: others may touch it", f"chmod 600 {path}")
        return
    if path.name == "first-key":
        yield Finding(path.name, "warning", "the demo's key is kept in a file", f"Copy it to your IDE and rm {path}")
        return
    if path.name == "master.key":
        try:
            Ring.parse(path.read_text())
        except (RingUnusable, OSError) as error:
            yield Finding(path.name, "error", str(error), "Restore it from a backup.")
            return
    yield Finding(path.name, "ok", f"mode {stat.S_IMODE(mode):o}")


def _ring_elsewhere() -> bool:
    return any(
        os.environ.get(name) for name in ("MCPHUB_MASTER_KEYS", "MCPHUB_MASTER_KEYS_FILE", "MCPHUB_MASTER_KEY_FILE")
    )


def _space(home: Path) -> Iterator[Finding]:
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    said = f"{free / (1 << 30):.1f} GiB free at {place}"
    if free < TOO_LITTLE_SPACE:
        yield Finding("disk", "error", said, "Make room: the hub refuses changes it cannot record.")
    elif free < LITTLE_SPACE:
        yield Finding("disk", "warning", said, "Make room, or shorten the history with MCPHUB_TRAFFIC_DAYS.")
    else:
        yield Finding("disk", "ok", said)


# the network


def _port(settings: Settings) -> Iterator[Finding]:
    try:
        close_all(listen(settings.host, settings.port))
    except PortUnusable as error:
        if (pid := running_hub(settings.home)) and _answers(settings):
            yield Finding("port", "ok", f"{settings.port}: the hub of this home (pid {pid}) is ready")
        elif pid:
            yield Finding(
                "port",
                "warning",
                f"{settings.port} is in use; a hub (pid {pid}) runs on this home and is not ready here",
                "Give the --port it was started with, or look at its log.",
            )
        else:
            text, _, remedy = str(error).partition(". ")
            yield Finding("port", "error", text, remedy)
    else:
        yield Finding("port", "ok", f"{settings.port} on {settings.host} is free")


def _answers(settings: Settings) -> bool:
    request = f"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:{settings.port}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((settings.host, settings.port), timeout=2) as connection:
            connection.sendall(request.encode())
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


# who watches


def _metrics(settings: Settings) -> Iterator[Finding]:
    if settings.metrics_addr is None:
        yield Finding("metrics", "ok", "at /metrics for administrators; MCPHUB_METRICS_ADDR opens a port for a scraper")
        return
    host, port = settings.metrics_addr
    where = f"{host}:{port}"
    try:
        close_all(listen(host, port))
    except PortUnusable as error:
        status = _status_of_metrics(host, port, settings.metrics_token)
        if status == 200:
            yield Finding("metrics", "ok", f"{where} answers a scraper")
        elif status == 401:
            remedy = "Give the MCPHUB_METRICS_TOKEN that the hub was started with."
            yield Finding("metrics", "warning", f"{where} asks for another token", remedy)
        else:
            said = str(error).partition(". ")[0]
            yield Finding("metrics", "error", said, "Stop that program, or set another MCPHUB_METRICS_ADDR.")
        return
    if running_hub(settings.home):
        remedy = "Start the hub anew with MCPHUB_METRICS_ADDR set."
        yield Finding("metrics", "warning", f"nobody listens at {where}, though a hub runs on this home", remedy)
    else:
        yield Finding("metrics", "ok", f"{where} is free")


def _status_of_metrics(host: str, port: int, token: str) -> int:
    """0 when nobody answers as a hub does."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    name = f"[{here}]" if ":" in here else here
    try:
        answer = httpx.get(
            f"http://{name}:{port}/metrics",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=ANSWER_WITHIN_S,
            trust_env=False,
        )
    except httpx.HTTPError:
        return 0
    return 0 if answer.status_code == 200 and "mcphub_build_info" not in answer.text else answer.status_code


def _traces(settings: Settings) -> Iterator[Finding]:
    """An empty message tells whether traces would be taken; the address and its headers may hold a password."""
    if not settings.traces:
        yield Finding("traces", "ok", "not sent; OTEL_EXPORTER_OTLP_ENDPOINT says where to")
        return
    parts = urlsplit(settings.traces)
    where = f"{parts.scheme}://{parts.hostname}:{parts.port or {'http': 80, 'https': 443}[parts.scheme]}"
    try:
        sdk = importlib.util.find_spec(SDK)
    except ModuleNotFoundError:
        sdk = None
    if sdk is None:
        yield Finding("traces", "error", "the SDK that sends them is not installed", "pip install 'mcphub[otel]'")
        return
    try:
        status = _status_of_collector(settings.traces)
    except (httpx.HTTPError, OSError, ValueError) as error:
        remedy = "Start the collector, or correct OTEL_EXPORTER_OTLP_ENDPOINT."
        yield Finding("traces", "error", f"{where} cannot be reached: {type(error).__name__}", remedy)
        return
    if status < 300:
        yield Finding("traces", "ok", f"{where} takes them")
    elif status in {401, 403}:
        yield Finding("traces", "error", f"{where} answers HTTP {status}", "Look at OTEL_EXPORTER_OTLP_HEADERS.")
    else:
        remedy = "Look whether it takes OTLP over HTTP there, which is port 4318 mostly."
        yield Finding("traces", "error", f"{where} answers HTTP {status}", remedy)


def _status_of_collector(url: str) -> int:
    from opentelemetry.util.re import parse_env_headers

    named = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or os.environ.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    certificate = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE") or os.environ.get(
        "OTEL_EXPORTER_OTLP_CERTIFICATE"
    )
    headers = {**parse_env_headers(named, liberal=True), "Content-Type": "application/x-protobuf"}
    context = ssl.create_default_context(cafile=certificate)
    return httpx.post(url, content=b"", headers=headers, timeout=ANSWER_WITHIN_S, verify=context).status_code


# the database


async def _database(settings: Settings) -> list[Finding]:
    if settings.database_url:
        try:
            target = conninfo_to_dict(settings.database_url)
        except psycopg.ProgrammingError:  # its text may quote the password
            remedy = "It looks like postgresql://user:password@host/name."
            return [Finding("database", "error", "DATABASE_URL cannot be read", remedy)]
        where = f"{target.get('dbname')} at {target.get('host')} (DATABASE_URL)"
    else:
        if not any(settings.home.glob("pg/*/PG_VERSION")):
            return [Finding("database", "ok", "none yet; the first start makes it")]
        where = "embedded"
    try:
        async with Foundation(settings, attach=True, migrating=False, depth="database") as base:
            warnings = [Finding("database", "warning", warning) for warning in base.warnings]
            return [*warnings, *await asyncio.to_thread(_inside, base.database.owner, where, settings)]
    except (HomeUnusable, DatabaseUnusable, PostgresFailed) as error:
        return [Finding("database", "error", f"{where}: {error}", _log_of(settings))]
    except psycopg.Error as error:
        return [Finding("database", "error", f"{where}: {explain(error)}", _log_of(settings))]


def _log_of(settings: Settings) -> str:
    if settings.database_url:
        return "Check the address, the password and the network between here and there."
    return f"See {settings.home}/logs/postgres.log"


def _inside(dsn: str, where: str, settings: Settings) -> list[Finding]:
    with psycopg.connect(dsn, autocommit=True) as db:
        server = db.info.server_version
        findings = [Finding("database", "ok", f"{where}, PostgreSQL {server // 10000}.{server % 10000}")]
        try:
            missing = pending(dsn, migrations_folder())
        except MigrationError as error:
            return [*findings, Finding("schema", "error", str(error))]
        if missing:
            return [*findings, Finding("schema", "warning", f"pending: {', '.join(missing)}", "mcphub migrate")]
        findings.append(Finding("schema", "ok", "up to date"))
        position, hash_ = _row(db, "select position, encode(hash, 'hex') from ledger_head")
        findings.append(Finding("ledger", "ok", f"head {position}:{hash_}"))
        findings.append(_backup(_row(db, AGES), settings.backup_days))
        findings.append(_master_key(standing(db)))
        findings.append(_retention(kept(_row(db, OLDEST), settings)))
        failed = db.execute("select name, error from tracking where status = 'failed' order by name").fetchall()
        for name, why in failed:
            findings.append(Finding("read tables", "error", f"{name} stands still: {why}", "mcphub rebuild"))
        return findings


def _backup(row: tuple[Any, ...], days: int) -> Finding:
    found = backup_age(row, days)
    age = f"{found.age.days} days" if found.age.days else f"{found.age.seconds // 3600} hours"
    said = {
        "recent": f"the last one is {age} old",
        "old": f"the last one is {age} old, more than {days} days",
        "never": f"none was ever made, in {age}",
        "young": "none was made yet",
        "elsewhere": "not looked at (MCPHUB_BACKUP_DAYS=0)",
    }[found.code]
    if not found.late:
        return Finding("backup", "ok", said)
    return Finding("backup", "warning", said, "mcphub backup DIR; with backups of another kind MCPHUB_BACKUP_DAYS=0.")


def _master_key(found: Standing) -> Finding:
    said = f"{', '.join(found.key_ids) or 'none yet'}, in use for {found.days} days"
    if found.code == "unfinished":
        return Finding("master key", "warning", f"{said}; a rotation was cut off", "mcphub keyring rotate")
    if found.code == "old":
        return Finding("master key", "warning", f"{said}, more than {MOST_DAYS}", "mcphub keyring rotate")
    return Finding("master key", "ok", said)


def _retention(found: dict[str, Kept]) -> Finding:
    said = ", ".join(f"{name} {one.days} of {one.most} days" for name, one in found.items())
    late = [name for name, one in found.items() if one.late]
    if late:
        remedy = "Start the hub and look at its log for day_sealer: only days that are sealed are let go."
        return Finding("retention", "warning", f"{said}: {', '.join(late)} should be gone", remedy)
    return Finding("retention", "ok", said)


def _row(db: "psycopg.Connection[Any]", query: str) -> tuple[Any, ...]:
    row = db.execute(query).fetchone()
    return tuple(row) if row else (None, None)


# what servers need


def _sandbox(settings: Settings) -> Iterator[Finding]:
    """What the launcher does for the programs that most servers are started with; tried here, not supposed."""
    mode = settings.stdio_sandbox
    programs = {name: path for name in (*PROGRAMS, "python3") if (path := shutil.which(name))}
    tried = {name: contained.tried(mode, settings.home, path) for name, path in programs.items()}
    by_level: dict[str, list[str]] = {}
    for name, held in tried.items():
        by_level.setdefault(held.level if held else "none: they do not start", []).append(name)
    if not by_level:
        by_level[contained.expected(mode).level] = ["any server"]
    levels = "; ".join(f"{level} for {', '.join(names)}" for level, names in by_level.items())
    said = f"{levels} (asked for: {mode})"
    least = contained.weakest(held for held in tried.values() if held) or contained.expected(mode)
    if None in tried.values():
        yield Finding("sandbox", "error", said, "Servers over stdio will not start: use Linux 5.13 or newer.")
    elif mode == "limits":
        yield Finding(
            "sandbox", "warning", said, "Leave MCPHUB_STDIO_SANDBOX at auto, so that servers cannot read the home."
        )
    elif why := least.missing.get("landlock-files"):
        remedy = f"Servers over stdio can read what this user can ({why}): use Linux 5.13 or newer, or trust every one."
        yield Finding("sandbox", "warning", said, remedy)
    elif os.geteuid() == 0 and (why := least.missing.get("account")):
        remedy = f"Some servers would run as root ({why}). Run the hub as an ordinary user, or open the way for others."
        yield Finding("sandbox", "warning", said, remedy)
    else:
        yield Finding("sandbox", "ok", said)


def _programs() -> Iterator[Finding]:
    for name, misses in PROGRAMS.items():
        path = shutil.which(name)
        if path is None:
            yield Finding(name, "warning", "not on the PATH", f"Install it for {misses}.")
        else:
            yield Finding(name, "ok", f"{_version_of(path)} at {path}")


def _version_of(path: str) -> str:
    try:
        done = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=PROGRAM_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "does not answer"
    return (done.stdout or done.stderr).strip().splitlines()[0] if (done.stdout or done.stderr).strip() else "unknown"
