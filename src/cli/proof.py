"""What proves that the ledger is what was recorded, and all of it: the check, and checkpoints to keep elsewhere."""

import asyncio
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcphub.cli.shared import FAILED, UNUSABLE, answer, at_home, fail, home_option, json_option, run

if TYPE_CHECKING:
    from mcphub.domain.checkpoint import Checkpoint
    from mcphub.foundation import Foundation
    from mcphub.operations.checkpoints import CheckpointFile, Compared
    from mcphub.operations.sealing import CheckedDay
    from mcphub.postgres.ledger import Checked

INCOMPLETE = 3  # exit code: what is there holds, and something is missing
NOTED = re.compile(r"(\d+):([0-9a-fA-F]{64})")


@click.command()
@home_option
@click.option(
    "--against",
    metavar="FILE|POSITION:HASH",
    help="Checkpoints kept elsewhere, or a head noted down; by default the checkpoints beside the hub.",
)
@click.option(
    "--public-key", metavar="HEX", help="That FILE must be signed with; by default the one beside it, or the hub's."
)
@json_option
def verify(home: Path | None, against: str | None, public_key: str | None, as_json: bool) -> None:
    """Check that the ledger is what was recorded, and that all of it is there.

    Integrity: the hash chain, and the sealed days of the access log and the traffic; a checkpoint's hash must stand
    at its position. Exit code 1 says that it does not hold, and where. Completeness: no checkpoint is behind the end.
    Exit code 3 says that the end was cut off, and what is left holds.
    """

    def work(base: "Foundation") -> int:
        import psycopg

        from mcphub.operations.checkpoints import CheckpointFile, compare
        from mcphub.operations.sealing import check
        from mcphub.postgres.ledger import verify

        checkpoints = _evidence(against, public_key, CheckpointFile(base.settings.checkpoint_folder))
        with psycopg.connect(base.database.read_only, autocommit=True) as db, db.transaction():
            # One state of the database, whatever is recorded meanwhile.
            db.execute("set transaction isolation level repeatable read, read only")
            found, compared = verify(db), compare(db, checkpoints)
            seals = [day.seal for one in checkpoints for day in one.days]
            # In a chain that breaks no seal is to be believed but those that checkpoints repeat.
            days = list(check(db, seals, chain_holds=found.broken_at is None))
        found = _rewritten(found, compared)
        broken = found.broken_at is not None or any(day.state not in {"holds", "dropped"} for day in days)
        answer(_said(found, compared, days, broken), "\n".join(_lines(found, compared, days)), as_json=as_json)
        return FAILED if broken else INCOMPLETE if compared.state == "cut_off" else 0

    async def main() -> None:
        async with at_home(home, depth="schema") as base:
            code = await asyncio.to_thread(work, base)
        if code:
            raise SystemExit(code)

    run(main())


def _evidence(against: str | None, key: str | None, own: "CheckpointFile") -> "list[Checkpoint]":
    """What to compare with.

    Raises:
        CheckpointsUnusable: it cannot be read, or is not signed with the key.
    """
    from mcphub.domain.checkpoint import Checkpoint
    from mcphub.operations.checkpoints import PUBLIC_KEY, CheckpointsUnusable, must_be_signed, read_checkpoints

    if against and (noted := NOTED.fullmatch(against)):
        return [Checkpoint(position=int(noted[1]), hash=noted[2].lower(), at=0)]
    path = Path(against) if against else own.path
    if not path.exists():
        if against:
            fail(f"--against takes POSITION:HASH or a file of checkpoints, and {against} is neither", UNUSABLE)
        return []
    signed = read_checkpoints(path)
    beside = path.with_name(PUBLIC_KEY)
    key = key or (beside.read_text().strip() if beside.exists() else "") or own.key()
    if not key:
        raise CheckpointsUnusable(f"{path} has no public key beside it: give the one you trust with --public-key")
    must_be_signed(signed, key.strip().lower(), path)
    return [one.checkpoint for one in signed]


def _rewritten(found: "Checked", compared: "Compared") -> "Checked":
    """A chain that holds in itself, and is another one than the checkpoints'."""
    from msgspec.structs import replace

    if found.broken_at is not None or compared.state != "rewritten":
        return found
    behind = f"; up to {compared.agrees_upto} they agree" if compared.agrees_upto else ""
    return replace(found, broken_at=compared.position, why=f"another hash stands there than a checkpoint names{behind}")


def _said(found: "Checked", compared: "Compared", days: "Sequence[CheckedDay]", broken: bool) -> dict[str, Any]:
    from msgspec.structs import asdict

    state = "unknown" if compared.state == "rewritten" else compared.state
    return {
        "ok": not broken and state != "cut_off",
        **asdict(found),
        "days": days,
        "integrity": "broken" if broken else "holds",
        "completeness": state,
        "checkpoint": {"position": compared.position, "hash": compared.hash} if compared.position else None,
        "missing": [compared.head + 1, compared.position] if state == "cut_off" else None,
    }


def _lines(found: "Checked", compared: "Compared", days: "Sequence[CheckedDay]") -> Iterator[str]:
    if found.broken_at is None:
        yield f"Integrity: {found.events:,} events, and the chain holds. Head: {found.position}:{found.hash}"
    else:
        yield f"Integrity: the chain breaks at position {found.broken_at}: {found.why}."
    yield from _days(days)
    match compared.state:
        case "complete":
            yield f"Completeness: all is there up to the checkpoint at position {compared.position}."
        case "cut_off":
            yield (
                f"Completeness: the end is cut off. A checkpoint names position {compared.position}, and the last event"
                f" is {compared.head}: positions {compared.head + 1} to {compared.position}, at least, are missing."
            )
        case "rewritten":
            yield "Completeness: nothing to say of a ledger that is another one."
        case "unknown":
            yield "Completeness: unknown. There is no checkpoint here; name one with --against."


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


@click.command()
@home_option
@click.option("--public-key", is_flag=True, help="Print the key that checkpoints are signed with, and sign nothing.")
@json_option
def checkpoint(home: Path | None, public_key: bool, as_json: bool) -> None:
    """Sign where the ledger stands, and print it, to be kept elsewhere.

    A running hub does so by itself every five minutes in which something changed, and when it ends, into
    checkpoints.jsonl in its home, or in the directory that MCPHUB_CHECKPOINTS names.
    """

    def work(base: "Foundation") -> None:
        import psycopg

        from mcphub.domain.checkpoint import SIGNING, encode
        from mcphub.domain.checkpoint import public_key as of
        from mcphub.operations.checkpoints import Checkpoints

        secret = base.vault.secret(SIGNING)
        if public_key:
            answer({"publicKey": of(secret)}, of(secret), as_json=as_json)
            return
        role = Checkpoints(base.database.direct, base.settings.checkpoint_folder, secret)
        with psycopg.connect(base.database.direct, autocommit=True) as db:
            signed = role.sign(db) or role.file.last()
        sys.stdout.write(encode(signed).decode() + "\n" if signed else "")

    async def main() -> None:
        async with at_home(home) as base:
            await asyncio.to_thread(work, base)

    run(main())
