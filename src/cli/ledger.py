"""The ledger and what is made from it: schema, hash chain, read tables, export and import."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from mcphub.cli.shared import (
    FAILED,
    UNUSABLE,
    Progress,
    answer,
    at_home,
    fail,
    home_option,
    json_option,
    no_backup_option,
    note,
    run,
)

if TYPE_CHECKING:
    from mcphub.foundation import Foundation


@click.command()
@home_option
@click.option("--check", is_flag=True, help="Apply nothing; exit 1 when something is pending.")
@no_backup_option
@json_option
def migrate(home: Path | None, check: bool, no_backup: bool, as_json: bool) -> None:
    """Bring the database schema up to date. A database that holds a hub is backed up first."""

    async def look() -> None:
        from mcphub.postgres.migrate import migrations_folder, pending

        async with at_home(home, depth="database") as base:
            missing = await asyncio.to_thread(pending, base.database.owner, migrations_folder())
        answer({"pending": missing}, "\n".join(missing) or "Nothing is pending.", as_json=as_json)
        if missing:
            raise SystemExit(FAILED)

    async def apply() -> None:
        # No keys: where migrations are a job of their own, their place is not the hub's home.
        async with at_home(home, make=True, depth="schema", no_backup=no_backup) as base:
            done = base.applied
        answer({"applied": done}, "\n".join(done) or "The schema is up to date.", as_json=as_json)

    run(look() if check else apply())


@click.command()
@home_option
@click.option("--check", is_flag=True, help="Only compare what a rebuild would give with what is there.")
@json_option
def rebuild(home: Path | None, check: bool, as_json: bool) -> None:
    """Make all read tables anew from the ledger.

    Beside the present ones, which are then swapped; readers notice nothing.
    """

    def work(base: "Foundation") -> bool:
        if not check:
            position = rebuild_tables(base)
            answer({"position": position}, f"Rebuilt up to position {position}.", as_json=as_json)
            return True
        import psycopg

        from mcphub.projections import projector

        with psycopg.connect(base.database.direct, autocommit=True) as db:
            different = sorted(projector.check(db, projector.all_projections()))
        text = f"These differ: {', '.join(different)}. Run mcphub rebuild." if different else "All tables are equal."
        answer({"equal": not different, "different": different}, text, as_json=as_json)
        return not different

    run(_on_ledger(home, work))


def rebuild_tables(base: "Foundation") -> int:
    from mcphub.projections.projector import rebuild_apart

    progress = Progress("rebuilding")
    try:
        return rebuild_apart(base.database.direct, progress)
    finally:
        progress.end()


@click.command()
@home_option
@click.option("--since", type=click.IntRange(0), default=0, help="Only what comes behind this position.")
@click.option(
    "--bundle",
    type=click.Path(path_type=Path, file_okay=False),
    help="Make this directory instead: the ledger, checkpoints, the public key, and verify.py, which checks them.",
)
@click.option("--with-days", is_flag=True, help="With --bundle: the rows of sealed days of the other logs, too.")
@json_option
def export(home: Path | None, since: int, bundle: Path | None, with_days: bool, as_json: bool) -> None:
    """Write the ledger to standard output.

    An event a line, as JSON, byte for byte; --json changes nothing. The access log says so first, or none is written.

    --bundle makes a directory that an auditor checks without the hub: python3 DIR/verify.py
    """
    if bundle is not None:
        if since:
            fail("a bundle holds the whole ledger: leave --since out", UNUSABLE)
        run(_bundled(home, bundle, with_days, as_json))
        return
    if with_days:
        fail("--with-days goes with --bundle", UNUSABLE)

    def work(base: "Foundation") -> bool:
        import psycopg

        from mcphub.postgres.transfer import export

        note(base, "export", "done")
        with psycopg.connect(base.database.read_only, autocommit=True) as db:
            out = sys.stdout.buffer
            for line in export(db, since=since):
                out.write(line + b"\n")
            out.flush()
        return True

    run(_on_ledger(home, work))


async def _bundled(home: Path | None, folder: Path, with_days: bool, as_json: bool) -> None:
    from mcphub.operations.bundle import write_bundle
    from mcphub.operations.checkpoints import CheckpointFile

    def work(base: "Foundation") -> int:
        import psycopg

        note(base, "export", "done")
        progress = Progress("exporting")
        with psycopg.connect(base.database.read_only, autocommit=True) as db:
            try:
                file = CheckpointFile(base.settings.checkpoint_folder)
                return write_bundle(db, folder, file, with_days=with_days, progress=progress)
            finally:
                progress.end()

    async with at_home(home, depth="schema") as base:
        events = await asyncio.to_thread(work, base)
    text = f"{events:,} events are in {folder}. Check them with: python3 {folder}/verify.py"
    answer({"events": events, "folder": str(folder)}, text, as_json=as_json)


@click.command("import")
@home_option
@click.argument("file", type=click.File("rb"))
@json_option
def import_(home: Path | None, file: BinaryIO, as_json: bool) -> None:
    """Take in an exported ledger.

    Into an empty hub, or exactly at the head of one; FILE may be - for standard input. All or nothing; then the read
    tables are rebuilt, and what belongs to erased users is destroyed again.
    """

    def work(base: "Foundation") -> int:
        import psycopg

        from mcphub.postgres.transfer import import_lines

        progress = Progress("importing")
        with psycopg.connect(base.database.owner, autocommit=True) as db:
            try:
                import_lines(db, _lines(file), progress)
            finally:
                progress.end()
        return rebuild_tables(base)

    async def main() -> None:
        async with at_home(home, make=True) as base:
            position = await asyncio.to_thread(work, base)
            await erase_again(base)
        answer({"position": position}, f"Imported and rebuilt up to position {position}.", as_json=as_json)

    run(main())


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        yield line.rstrip(b"\n")


async def erase_again(base: "Foundation") -> None:
    """An older backup of the data keys may have brought back what erasures destroyed."""
    from mcphub.api.auth.accounts import name_digest
    from mcphub.domain.access import AccessModel
    from mcphub.folded import folding
    from mcphub.projections.tail import Tail
    from mcphub.roles import Erasure

    model = AccessModel(name_digest(base.vault))
    erasure = Erasure(base.hub, base.vault, model, base.pool)
    tail = Tail(base.database.direct, [folding(model), erasure.facts_applied])
    await tail.start()
    await tail.stop()
    await erasure.round()
    await erasure.sweep()


async def _on_ledger(home: Path | None, work: Callable[["Foundation"], bool]) -> None:
    """Blocking work on the hub's database; False from it is exit code 1."""
    async with at_home(home, depth="schema") as base:
        worked = await asyncio.to_thread(work, base)
    if not worked:
        raise SystemExit(FAILED)
