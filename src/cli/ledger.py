"""The ledger and what is made from it: schema, hash chain, read tables, export and import."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
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
    note,
    run,
)

if TYPE_CHECKING:
    from mcphub.foundation import Foundation
    from mcphub.sealing import CheckedDay

HASH_AT = "select encode(hash, 'hex') from ledger where position = %s"


@click.command()
@home_option
@click.option("--check", is_flag=True, help="Apply nothing; exit 1 when something is pending.")
@json_option
def migrate(home: Path | None, check: bool, as_json: bool) -> None:
    """Bring the database schema up to date."""

    async def look() -> None:
        from mcphub.postgres.migrate import migrations_folder, pending

        async with at_home(home, depth="database") as base:
            missing = await asyncio.to_thread(pending, base.database.owner, migrations_folder())
        answer({"pending": missing}, "\n".join(missing) or "Nothing is pending.", as_json=as_json)
        if missing:
            raise SystemExit(FAILED)

    async def apply() -> None:
        # No keys: where migrations are a job of their own, their place is not the hub's home.
        async with at_home(home, make=True, depth="schema") as base:
            done = base.applied
        answer({"applied": done}, "\n".join(done) or "The schema is up to date.", as_json=as_json)

    run(look() if check else apply())


@click.command()
@home_option
@click.option(
    "--against", metavar="POSITION:HASH", help="A head noted down before, which the chain must still go through."
)
@json_option
def verify(home: Path | None, against: str | None, as_json: bool) -> None:
    """Check the ledger's hash chain, and the sealed days of the access log and the traffic.

    Exit code 1 and a position say where the chain breaks, or a day whose rows are not what was sealed.
    """
    checkpoint = _checkpoint(against) if against else None

    def work(base: "Foundation") -> bool:
        import psycopg
        from msgspec.structs import asdict, replace

        from mcphub.postgres.ledger import verify
        from mcphub.sealing import check

        with psycopg.connect(base.database.read_only, autocommit=True) as db:
            found = verify(db)
            if found.broken_at is None and checkpoint:
                held = db.execute(HASH_AT, (checkpoint[0],)).fetchone()
                if held is None or held[0] != checkpoint[1]:
                    found = replace(found, broken_at=checkpoint[0], why="the hash noted down is not there")
            # In a chain that breaks there is no seal to believe.
            days = list(check(db)) if found.broken_at is None else []
        chain = (
            f"{found.events:,} events, and the chain holds. Head: {found.position}:{found.hash}"
            if found.broken_at is None
            else f"The chain breaks at position {found.broken_at}: {found.why}."
        )
        ok = found.broken_at is None and all(day.state in {"holds", "dropped"} for day in days)
        answer({"ok": ok, **asdict(found), "days": days}, "\n".join([chain, *_days(days)]), as_json=as_json)
        return ok

    run(_on_ledger(home, work))


def _days(days: "Sequence[CheckedDay]") -> Iterator[str]:
    """What there is to say of sealed days: each that is not what it was, and the others by their number."""
    counted = Counter((day.log, day.state) for day in days)
    for log in sorted({day.log for day in days}):
        late = sum(day.late for day in days if day.log == log and day.state == "holds")
        yield (
            f"Sealed days of the {log} log: {counted[log, 'holds']} hold, {counted[log, 'dropped']} left retention"
            + (f"; {late:,} rows were written after their day was sealed." if late else ".")
        )
    for day in days:
        if day.state == "changed":
            yield f"The {day.log} log of {day.day} is not what was sealed: rows were changed, removed or added."
        elif day.state == "missing":
            yield (
                f"The {day.log} log of {day.day} is not here, and was not dropped by the hub."
                " An import brings the ledger alone; otherwise somebody removed it."
            )


def _checkpoint(text: str) -> tuple[int, str]:
    position, colon, hash_ = text.partition(":")
    if not (colon and position.isdigit() and len(hash_) == 64):
        fail("--against takes POSITION:HASH, as a former `mcphub verify` printed it", UNUSABLE)
    return int(position), hash_.lower()


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
            position = _rebuild(base)
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


def _rebuild(base: "Foundation") -> int:
    from mcphub.projections.projector import rebuild_apart

    progress = Progress("rebuilding")
    try:
        return rebuild_apart(base.database.direct, progress)
    finally:
        progress.end()


@click.command()
@home_option
@click.option("--since", type=click.IntRange(0), default=0, help="Only what comes behind this position.")
@json_option
def export(home: Path | None, since: int, as_json: bool) -> None:
    """Write the ledger to standard output.

    An event a line, as JSON, byte for byte; --json changes nothing. The access log says so first, or none is written.
    """

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
        return _rebuild(base)

    async def main() -> None:
        async with at_home(home, make=True) as base:
            position = await asyncio.to_thread(work, base)
            await _erase_again(base)
        answer({"position": position}, f"Imported and rebuilt up to position {position}.", as_json=as_json)

    run(main())


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        yield line.rstrip(b"\n")


async def _erase_again(base: "Foundation") -> None:
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
