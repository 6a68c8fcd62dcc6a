"""What every command needs: the settings, the hub's database, answers for people and for scripts, and exit codes."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click

if TYPE_CHECKING:
    from mcphub.domain.actor import Meta
    from mcphub.foundation import Depth, Foundation
    from mcphub.settings import Settings

FAILED, UNUSABLE = 1, 2

home_option = click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), help="Where the hub keeps its data."
)
no_backup_option = click.option(
    "--no-backup", is_flag=True, help="Apply migrations without a backup of the database before them."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer with JSON.")


def settings_of(
    home: Path | None,
    *,
    host: str | None = None,
    port: int | None = None,
    insecure: bool = False,
    no_backup: bool = False,
) -> "Settings":
    from msgspec.structs import replace

    from mcphub.settings import SettingsUnusable, read

    try:
        settings = read(os.environ, home=home, host=host, port=port, insecure=insecure)
    except SettingsUnusable as error:
        fail(str(error), UNUSABLE)
    for name in settings.unknown:
        click.echo(f"mcphub: {name} is not a setting of the hub; is it a typing error?", err=True)
    return replace(settings, migration_backups=0) if no_backup else settings


@asynccontextmanager
async def at_home(
    home: Path | None, *, make: bool = False, depth: "Depth" = "keys", no_backup: bool = False
) -> AsyncIterator["Foundation"]:
    """The hub's database, whether a hub runs on it now or not; stderr is kept for what goes wrong.

    Args:
        make: on a home without a database, make one, and bring its schema up to date.
        depth: how much of it the command needs.
        no_backup: none before migrations.

    Raises:
        HomeUnusable: nothing is there.
    """
    from msgspec.structs import replace

    from mcphub import address
    from mcphub.foundation import Foundation
    from mcphub.logging import configure
    from mcphub.postgres.home import HomeUnusable

    settings = settings_of(home, no_backup=no_backup)
    if not os.environ.get("MCPHUB_PUBLIC_URL") and (url := address.noted(settings.home)):
        settings = replace(settings, public_url=url)
    configure("warning" if settings.log_level == "info" else settings.log_level, settings.log_format)
    if not (make or settings.database_url or any(settings.home.glob("pg/*/PG_VERSION"))):
        raise HomeUnusable(f"{settings.home} holds no hub yet. Start one with `mcphub up`, or name its --home.")
    async with Foundation(settings, attach=True, migrating=make, depth=depth) as base:
        yield base


def operator() -> "Meta":
    """Whoever may run commands on the host acts in the operator's name."""
    from mcphub.domain.actor import Meta

    return Meta(actor="system:cli", actor_kind="system", source="cli")


def note(base: "Foundation", action: Literal["command", "export"], outcome: str, *, subject: str = "") -> None:
    """Says it to the access log; blocking.

    Args:
        outcome: `done`, or the code of the refusal.
        subject: the user it is about.

    Raises:
        psycopg.Error: it is not on the record, so what was asked for must not be done.
    """
    from datetime import UTC, datetime

    import psycopg

    from mcphub.domain.ids import new_id
    from mcphub.postgres.access_log import AccessRow, add_rows

    with psycopg.connect(base.database.app, autocommit=True) as db:
        ((head,),) = db.execute("select position from ledger_head").fetchall()
        row = AccessRow(
            id=new_id(),
            at=datetime.now(UTC),
            action=action,
            outcome=outcome,
            way="cli",
            actor=operator().actor,
            subject=subject,
            ledger_position=head,
            node=base.settings.node,
        )
        add_rows(db, [row])


def run(work: Coroutine[Any, Any, None], *, loop_factory: Callable[[], Any] | None = None) -> None:
    """Runs a command to its end; what may go wrong is one line and an exit code."""
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(work)
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(FAILED)
    except KeyboardInterrupt:
        fail("interrupted")
    except Exception as error:
        said = failure(error)
        if said is None:
            raise
        fail(*said)


def failure(error: Exception) -> tuple[str, int] | None:
    """What to tell of an error that has an explanation; None for a bug."""
    import psycopg
    from psycopg_pool import PoolTimeout

    from mcphub.domain.errors import Refused
    from mcphub.domain.vault import RingUnusable
    from mcphub.http_server import PortUnusable
    from mcphub.operations.backup import BackupUnusable
    from mcphub.operations.bundle import BundleExists
    from mcphub.operations.checkpoints import CheckpointRefused, CheckpointsUnusable
    from mcphub.operations.master_keys import RotationRefused
    from mcphub.postgres.copying import NotTheSame
    from mcphub.postgres.home import AlreadyRunning, HomeUnusable
    from mcphub.postgres.migrate import MigrationError
    from mcphub.postgres.pool import explain
    from mcphub.postgres.programs import PostgresFailed
    from mcphub.postgres.server_checks import DatabaseUnusable
    from mcphub.postgres.transfer import ImportRefused
    from mcphub.settings import SettingsUnusable

    match error:
        case AlreadyRunning():
            return str(error), FAILED
        case HomeUnusable() | DatabaseUnusable() | RingUnusable() | SettingsUnusable():
            return str(error), UNUSABLE
        case Refused():
            return f"{error} {error.remedy}".strip(), FAILED
        case CheckpointRefused() | CheckpointsUnusable() | BundleExists() | BackupUnusable() | NotTheSame():
            return str(error), FAILED
        case MigrationError() | PostgresFailed() | ImportRefused() | PortUnusable() | RotationRefused():
            return str(error), FAILED
        case psycopg.errors.DuplicatePreparedStatement() | psycopg.errors.InvalidSqlStatementName():
            return (
                "the database URL leads through a pooler in transaction mode, which loses prepared statements."
                " Set MCPHUB_DATABASE_DIRECT_URL to a direct connection."
            ), UNUSABLE
        case psycopg.Error() | PoolTimeout():
            return f"the database does not answer as it should: {explain(error)}", FAILED
    return None


def fail(text: str, code: int = FAILED) -> NoReturn:
    click.echo(f"mcphub: {text}", err=True)
    sys.exit(code)


# answers


def answer(value: Any, text: str, *, as_json: bool) -> None:
    """The value for a script, or the text for a person."""
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode(value).decode())
    elif text:
        click.echo(text)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns side by side; an empty cell is a dash.

    What other people and servers have named tells a terminal nothing: no escape sequence, no other line.
    """
    cells = [list(head), *([_plain(str(cell)) if cell not in (None, "") else "-" for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _plain(text: str) -> str:
    return text if text.isprintable() else "".join(char if char.isprintable() else "�" for char in text)


class Progress:
    """A line on a terminal's stderr that says how far a long work is; elsewhere nothing."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = -1
        self._terminal = sys.stderr.isatty()

    def __call__(self, done: int, of: int = 0) -> None:
        share = done * 100 // of if of else done
        if self._terminal and share != self._shown:
            self._shown = share
            click.echo(f"\r{self._what}: " + (f"{share} %" if of else f"{done:,}"), err=True, nl=False)

    def end(self) -> None:
        if self._terminal and self._shown >= 0:
            click.echo("\r\033[K", err=True, nl=False)
