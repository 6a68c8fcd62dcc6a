"""The whole hub in a directory, a hub made of one, and a hub that moves to another database."""

import asyncio
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcphub.cli.ledger import erase_again, rebuild_tables
from mcphub.cli.shared import (
    FAILED,
    UNUSABLE,
    Progress,
    answer,
    at_home,
    fail,
    home_option,
    json_option,
    note,
    operator,
    run,
    settings_of,
)

if TYPE_CHECKING:
    from mcphub.domain.checkpoint import Checkpoint, Signed
    from mcphub.domain.vault import Ring
    from mcphub.foundation import Foundation
    from mcphub.operations.backup import About, Stored
    from mcphub.operations.forgetting import Forgotten, Known
    from mcphub.settings import Settings

EMBEDDED = "embedded"
folder_argument = click.argument("folder", type=click.Path(path_type=Path, file_okay=False))


@click.command()
@home_option
@folder_argument
@click.option(
    "--with-keys", is_flag=True, help="With the master key ring: whoever has this backup can open everything."
)
@json_option
def backup(home: Path | None, folder: Path, with_keys: bool, as_json: bool) -> None:
    """Write the whole hub into a new directory, while it runs or not.

    Everything but the master key ring, which opens what is in it: keep that somewhere else. The access log says so
    first, or no backup is made.
    """

    def work(base: "Foundation") -> "About":
        import psycopg

        from mcphub.operations.backup import write_backup
        from mcphub.operations.checkpoints import CheckpointFile
        from mcphub.postgres.pool import explain

        ring = _ring_text(base.settings) if with_keys else ""
        note(base, "export", "done")
        progress = Progress("backing up")
        with psycopg.connect(base.database.read_only, autocommit=True) as db:
            try:
                file = CheckpointFile(base.settings.checkpoint_folder)
                about = write_backup(db, folder, file, ring=ring, progress=progress)
            finally:
                progress.end()
        try:
            _note_backup(base, about)
        except psycopg.Error as error:
            fail(f"the backup in {folder} is whole, but that it was made is not on the record: {explain(error)}")
        return about

    async def main() -> None:
        async with at_home(home, depth="schema") as base:
            about = await asyncio.to_thread(work, base)
            where = "the environment" if base.settings.master_keys else str(base.settings.ring_path)
        rows = _rows(about)
        keys = ", ".join(about.master_keys) or "none yet"
        ring = (
            f"The master key ring ({keys}) is in it: whoever has it can open everything. Keep it like a password."
            if about.with_ring
            else f"The master key ring ({keys}) is not in it, and nothing can be restored without: keep {where} apart."
        )
        said = f"{about.position:,} events and {rows:,} rows in all are in {folder}.\n{ring}"
        value = {"position": about.position, "hash": about.hash, "rows": rows, "folder": str(folder)}
        answer({**value, "masterKeys": about.master_keys, "withKeys": about.with_ring}, said, as_json=as_json)

    run(main())


def _note_backup(base: "Foundation", about: "About") -> None:
    """On the record, for the timeline and for health. By a hub of its own: a backup takes no ring to make.

    Raises:
        psycopg.Error: it is not.
    """
    from mcphub.domain.actor import acting
    from mcphub.domain.backups import NoteBackup
    from mcphub.domain.events import BackupMade
    from mcphub.domain.hub import plugged
    from mcphub.postgres.ledger import Factory
    from mcphub.postgres.pool import command_pool

    made = BackupMade(
        upto=about.position,
        hash=about.hash,
        rows=_rows(about),
        with_keys=about.with_ring,
        made_at=about.made_at,
    )
    with command_pool(base.database.app, size=1) as pool, acting(operator()):
        Factory.use(pool)
        hub = plugged("mcphub.postgres.ledger:Factory", {})
        hub.execute(lambda: NoteBackup(made))
        hub.close()


def _rows(about: "About") -> int:
    return sum(one.sum.rows for one in about.tables)


@click.command()
@home_option
@folder_argument
@click.option(
    "--keys",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The master key ring, when it is not in the home or the environment.",
)
@click.option(
    "--checkpoints",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Of the time behind the backup: what they say was erased and cleared stays so.",
)
@json_option
def restore(home: Path | None, folder: Path, keys: Path | None, checkpoints: Path | None, as_json: bool) -> None:
    """Make a hub of a backup, in an empty home or an empty database.

    All or nothing, with every checksum compared. Then the chain is checked, the read tables are made anew, and what is
    known to have been erased or cleared since the backup is erased and cleared again.
    """

    async def main() -> None:
        from mcphub.operations.backup import read_about

        about = read_about(folder)
        settings = settings_of(home)
        ring, text = _ring_of(settings, folder, keys, about)
        kept = _kept_elsewhere(settings, checkpoints)
        async with at_home(home, make=True, depth="database") as base:
            await asyncio.to_thread(_fill, base, folder, about, ring, kept)
        if text:
            _keep_ring(settings, text)
        _go_on(settings, folder, about)
        async with at_home(home, make=True) as base:
            value, said = await _settled(base, about, [one.checkpoint for one in kept])
        answer(value, said, as_json=as_json)
        if not value["ok"]:
            raise SystemExit(FAILED)

    run(main())


def _fill(base: "Foundation", folder: Path, about: "About", ring: "Ring", kept: "Sequence[Signed]") -> None:
    from mcphub.operations.backup import restore

    progress = Progress("restoring")
    try:
        restore(base.database.owner, folder, about, ring, kept, progress=progress)
    finally:
        progress.end()


async def _settled(base: "Foundation", about: "About", kept: "Sequence[Checkpoint]") -> tuple[dict[str, Any], str]:
    """What there is to do once the rows are there: check, forget, make the read tables."""
    from mcphub.api.auth.accounts import name_digest
    from mcphub.domain.actor import acting, system
    from mcphub.folded import fold
    from mcphub.operations.forgetting import forget_again, known_behind

    found = await asyncio.to_thread(_verified, base)
    holds = found.broken_at is None and (found.position, found.hash) == (about.position, about.hash)
    known = known_behind(about.position, kept)
    state = await fold(base.database.direct, base.vault, name_digest(base.vault))
    cause = await asyncio.to_thread(_note_restore, base, about, known)
    with acting(system("restore", causation_id=cause)):
        forgotten = await asyncio.to_thread(forget_again, base.hub, base.vault, state.model, known)
    await erase_again(base)
    await asyncio.to_thread(rebuild_tables, base)
    value = {
        "ok": holds,
        "position": about.position,
        "hash": about.hash,
        "rows": _rows(about),
        "madeAt": about.made_at,
        "knownUpto": known.upto,
        "erased": forgotten.users,
        "cleared": forgotten.values,
        "notErased": forgotten.kept,
    }
    return value, "\n".join(_restored(about, known, forgotten, holds))


def _note_restore(base: "Foundation", about: "About", known: "Known") -> str:
    """The first fact of the restored hub; its id."""
    from mcphub.domain.actor import acting
    from mcphub.domain.backups import NoteBackup
    from mcphub.domain.events import HubRestored

    restored = HubRestored(upto=about.position, hash=about.hash, made_at=about.made_at, known_upto=known.upto)
    with acting(operator()):
        done = base.hub.execute(lambda: NoteBackup(restored))
    with base.pool.connection() as db:
        ((id_,),) = db.execute("select id::text from ledger where position = %s", (done.position,)).fetchall()
    return str(id_)


def _restored(about: "About", known: "Known", forgotten: "Forgotten", holds: bool) -> list[str]:
    rows = _rows(about)
    chain = "the chain holds" if holds else "BUT THE CHAIN DOES NOT HOLD: it did not when the backup was made"
    lines = [
        f"Restored {about.position:,} events and {rows:,} rows in all, as of {_time(about.made_at)}."
        f" Every checksum agrees, and {chain}."
    ]
    if known.upto > about.position:
        when = _time(datetime.fromtimestamp(known.at / 1_000_000, UTC))
        lines.append(
            f"Erased and cleared again: {len(forgotten.users)} users, {forgotten.values} values. What was erased and"
            f" cleared is known up to position {known.upto}, {when}; later than that, nothing is."
        )
    else:
        lines.append(
            f"What was erased and cleared behind position {about.position} is NOT known, and is back: do it again, or"
            " restore once more with --checkpoints of that time."
        )
    lines += [
        f"{user} was erased and is the only administrator here: nothing of them can be opened any more. Make another"
        " administrator (mcphub user create NAME --admin), then erase them (mcphub user erase)."
        for user in forgotten.kept
    ]
    lines.append(
        "Keys that were revoked and users that were locked out since the backup are back as well: look at them."
    )
    return lines


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _verified(base: "Foundation") -> Any:
    import psycopg

    from mcphub.postgres.ledger import verify

    with psycopg.connect(base.database.read_only, autocommit=True) as db:
        return verify(db)


def _kept_elsewhere(settings: "Settings", named: Path | None) -> "list[Signed]":
    """Checkpoints that may speak of the time behind a backup.

    Raises:
        CheckpointsUnusable: a file holds something else.
    """
    from mcphub.operations.checkpoints import CheckpointFile, read_checkpoints

    return CheckpointFile(settings.checkpoint_folder).read() + (read_checkpoints(named) if named else [])


def _go_on(settings: "Settings", folder: Path, about: "About") -> None:
    """The hub's file goes on from where the backup was. What spoke of the ledger that is no more is kept: it is what
    shows that there was one."""
    from mcphub.operations.checkpoints import CheckpointFile

    own = CheckpointFile(settings.checkpoint_folder)
    for path in (own.path, own.key_path):
        if path.exists():
            path.rename(path.with_stem(f"{path.stem}-before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"))
    for one in CheckpointFile(folder).read():
        if one.checkpoint.position <= about.position:
            own.add(one)


# the master key ring


def _ring_text(settings: "Settings") -> str:
    if settings.master_keys:
        return settings.master_keys
    if not settings.ring_path.exists():
        fail(f"{settings.ring_path} is missing: there is no master key ring")
    return settings.ring_path.read_text()


def ring_of_home(settings: "Settings") -> "Ring":
    """
    Raises:
        RingUnusable: it is none.
    """
    from mcphub.domain.vault import Ring

    return Ring.parse(_ring_text(settings))


def _ring_of(settings: "Settings", folder: Path, keys: Path | None, about: "About") -> "tuple[Ring, str]":
    """The ring to restore with, and its text when it is still to be put into its place."""
    from mcphub.domain.vault import Ring
    from mcphub.operations.backup import RING

    if settings.master_keys or settings.ring_path.exists():
        return Ring.parse(_ring_text(settings)), ""
    path = keys or folder / RING
    if not path.exists():
        fail(
            f"what is sealed in the backup needs the master keys {', '.join(about.master_keys)}, and no ring is here."
            " Name it with --keys FILE, or set MCPHUB_MASTER_KEYS. Nothing was restored.",
            UNUSABLE,
        )
    text = path.read_text()
    return Ring.parse(text), text


def _keep_ring(settings: "Settings", text: str) -> None:
    from mcphub.foundation import write_private

    write_private(settings.ring_path, text)


# moving


@click.command()
@home_option
@click.option(
    "--to",
    required=True,
    metavar="DSN|embedded|-",
    help="The other database; - reads it from standard input, where it may hold a password.",
)
@json_option
def move(home: Path | None, to: str, as_json: bool) -> None:
    """Move the hub to another PostgreSQL, from its own to a managed one or back. The hub must not run.

    Every table is copied and its checksum compared. Then the old database is marked, so that no hub starts on it by
    mistake, and the read tables are made in the new one. The home stays, with the master key ring in it.
    """
    target = sys.stdin.readline().strip() if to == "-" else to
    where = _must_be_reachable(target, typed=to != "-")

    async def main() -> None:
        from msgspec.structs import replace

        from mcphub.foundation import Foundation
        from mcphub.logging import configure

        settings = settings_of(home)
        configure("warning", settings.log_format)
        url = "" if target == EMBEDDED else target
        there = replace(settings, database_url=url, database_direct_url=url)
        if not url:
            await _make_room(settings, there)
        async with Foundation(settings, depth="schema") as source, Foundation(there, depth="database") as new:
            moved = await asyncio.to_thread(_moved, source, new, where or str(settings.home))
            await asyncio.to_thread(rebuild_tables, new)
        rows = sum(one.sum.rows for one in moved)
        text = f"Moved {rows:,} rows in {len(moved)} tables to {where or settings.home}; every checksum agrees.\n" + (
            "Set DATABASE_URL to it and start the hub." if url else "Unset DATABASE_URL and start the hub."
        )
        answer({"rows": rows, "tables": len(moved), "to": where or str(settings.home)}, text, as_json=as_json)

    run(main())


def _moved(source: "Foundation", new: "Foundation", where: str) -> "list[Stored]":
    from mcphub.operations.backup import move

    progress = Progress("moving")
    try:
        return move(source.database.owner, new.database.owner, where=where, progress=progress)
    finally:
        progress.end()


async def _make_room(settings: "Settings", there: "Settings") -> None:
    """For an embedded database, where one may lie that the hub moved away from.

    Raises:
        BackupUnusable: the hub is in there, or another one.
    """
    import psycopg

    from mcphub.foundation import Foundation
    from mcphub.operations.backup import BackupUnusable
    from mcphub.postgres.copying import left_for

    if not settings.database_url:
        raise BackupUnusable(f"the hub is in {settings.home} already")
    if not any(settings.home.glob("pg/*/PG_VERSION")):
        return
    async with Foundation(there, depth="database") as old:
        with psycopg.connect(old.database.owner) as db:
            left = left_for(db)
    if not left:
        raise BackupUnusable(f"{settings.home}/pg holds another hub, which did not move away: name another --home")
    (settings.home / "pg").rename(settings.home / f"pg-before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")


def _must_be_reachable(target: str, *, typed: bool) -> str:
    """Where that is, for people; '' for the home."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    if target == EMBEDDED:
        return ""
    try:
        parts = conninfo_to_dict(target)
    except psycopg.Error:
        fail("the database cannot be read: it looks like postgresql://user@host/name", UNUSABLE)
    if typed and parts.get("password"):
        fail(
            "everybody on this machine can read a password on a command line: give --to - and the rest on standard"
            " input, or keep the password in ~/.pgpass",
            UNUSABLE,
        )
    return f"{parts.get('dbname') or 'the database'} at {parts.get('host') or 'the local socket'}"
