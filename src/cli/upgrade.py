"""The embedded database brought to the PostgreSQL of this release."""

import asyncio
from pathlib import Path

import click

from mcphub.cli.backup import ring_of_home
from mcphub.cli.ledger import rebuild_tables
from mcphub.cli.shared import UNUSABLE, Progress, answer, at_home, fail, home_option, json_option, run, settings_of


@click.command("upgrade-database")
@home_option
@click.option(
    "--programs",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The folder of the old PostgreSQL's programs, such as /usr/lib/postgresql/16/bin.",
)
@json_option
def upgrade_database(home: Path | None, programs: Path | None, as_json: bool) -> None:
    """Bring the embedded database to the major version of PostgreSQL that this release has. The hub must not run.

    It is backed up, a new one is made of that with every checksum compared, and the read tables are made anew. The old
    data directory and the backup stay, for you to remove.
    """

    async def main() -> None:
        from mcphub.logging import configure
        from mcphub.operations.upgrade import upgrade

        settings = settings_of(home)
        if settings.database_url:
            fail("DATABASE_URL names a server of your own: upgrade it by its own means", UNUSABLE)
        configure("warning", settings.log_format)
        ring = ring_of_home(settings)
        progress = Progress("upgrading")
        try:
            done = await asyncio.to_thread(upgrade, settings, ring, programs=programs, progress=progress)
        finally:
            progress.end()
        if done is None:
            answer({"upgraded": False}, "The database is of this release's PostgreSQL already.", as_json=as_json)
            return
        async with at_home(home, make=True) as base:
            await asyncio.to_thread(rebuild_tables, base)
        text = (
            f"{done.rows:,} rows went from PostgreSQL {done.from_major} to {done.to_major}; every checksum agrees.\n"
            f"Start the hub. When you are content with it, remove {done.kept.parent} and {done.backup}."
        )
        answer(
            {
                "upgraded": True,
                "from": done.from_major,
                "to": done.to_major,
                "rows": done.rows,
                "position": done.position,
                "kept": str(done.kept),
                "backup": str(done.backup),
            },
            text,
            as_json=as_json,
        )

    run(main())
