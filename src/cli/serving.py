"""Starting a hub, and looking at what keeps one from starting."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcphub.cli.shared import FAILED, answer, home_option, json_option, no_backup_option, run, settings_of

if TYPE_CHECKING:
    from mcphub.settings import Settings


def serving_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        json_option,
        click.option("--insecure", is_flag=True, help="Allow to listen beyond this machine without https."),
        click.option("--port", type=click.IntRange(1, 65535), help="3000 unless MCPHUB_PORT says otherwise."),
        click.option("--host", help="127.0.0.1 unless MCPHUB_HOST says otherwise."),
        home_option,
    ):
        command = option(command)
    return command


@click.command()
@serving_options
@click.option("--no-demo", is_flag=True, help="Do not make the demo server at the first start.")
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
@no_backup_option
def up(
    home: Path | None,
    host: str | None,
    port: int | None,
    insecure: bool,
    as_json: bool,
    no_demo: bool,
    no_open: bool,
    no_backup: bool,
) -> None:
    """Start the hub with all it needs.

    PostgreSQL unless DATABASE_URL names one, pending migrations, then the hub itself. Ctrl-C ends all of it.
    """
    settings = settings_of(home, host=host, port=port, insecure=insecure, no_backup=no_backup)
    _serve(settings, demo=not no_demo, migrating=True, as_json=as_json, browser=not no_open)


@click.command()
@serving_options
def serve(home: Path | None, host: str | None, port: int | None, insecure: bool, as_json: bool) -> None:
    """Start the hub on a schema that is up to date.

    No demo and no migrations: an outdated schema is refused. For orchestrators.
    """
    settings = settings_of(home, host=host, port=port, insecure=insecure)
    _serve(settings, demo=False, migrating=False, as_json=as_json, browser=False)


def _serve(settings: "Settings", *, demo: bool, migrating: bool, as_json: bool, browser: bool) -> None:
    async def work() -> None:
        from mcphub.greeting import greet
        from mcphub.logging import PROBLEMS, BoundedFile, configure
        from mcphub.serve import serve

        ring = configure(settings.log_level, settings.log_format)
        ring.keep_problems(BoundedFile(settings.home / "logs" / PROBLEMS))
        await serve(
            settings,
            ring,
            demo=demo,
            keep_key=as_json or not sys.stdout.isatty(),
            migrating=migrating,
            ready=lambda first: greet(settings, first, as_json=as_json, browser=browser),
        )

    run(work(), loop_factory=_fast_loop)


def _fast_loop() -> Any:
    import uvloop

    return uvloop.new_event_loop()


@click.command()
@home_option
@click.option("--port", type=click.IntRange(1, 65535), help="The port a hub would use.")
@json_option
def doctor(home: Path | None, port: int | None, as_json: bool) -> None:
    """Find out what is wrong here.

    Looks at versions, ports, permissions, the database and the ledger, and says for each finding what to do.
    """
    settings = settings_of(home, port=port, insecure=True)

    async def work() -> None:
        from mcphub.doctor import examine, report

        findings = await examine(settings)
        answer(findings, report(findings), as_json=as_json)
        if any(finding.level == "error" for finding in findings):
            raise SystemExit(FAILED)

    run(work())
