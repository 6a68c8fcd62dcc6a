"""The command line. Each command imports what it needs when it runs, so that `--help` and a start lose no time.

Exit codes: 0 done; 1 it did not work, the line on stderr says why; 2 the environment or the usage does not allow it.
Passwords and keys are read from the terminal or standard input, never from an argument.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from mcphub.settings import Settings

FAILED, UNUSABLE = 1, 2

home_option = click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), help="Where the hub keeps its data."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON value.")


def main() -> None:
    """The console script."""
    commands(prog_name="mcphub")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="mcphub", message="%(version)s")
def commands() -> None:
    """MCPHub: one address for all MCP servers of a company."""


# serving


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


@commands.command()
@serving_options
@click.option("--no-demo", is_flag=True, help="Do not make the demo server at the first start.")
@click.option("--no-open", is_flag=True, help="Do not open a browser.")
def up(
    home: Path | None, host: str | None, port: int | None, insecure: bool, as_json: bool, no_demo: bool, no_open: bool
) -> None:
    """Start everything: PostgreSQL unless DATABASE_URL names one, migrations, the hub. Ctrl-C ends it."""
    settings = settings_of(home, host=host, port=port, insecure=insecure)

    async def work() -> None:
        from mcphub.greeting import greet
        from mcphub.serve import serve

        ring = logging_of(settings)
        await serve(
            settings,
            ring,
            demo=not no_demo,
            ready=lambda first: greet(settings, first, as_json=as_json, browser=not no_open),
        )

    run(work(), loop_factory=fast_loop)


@commands.command()
@serving_options
def serve(home: Path | None, host: str | None, port: int | None, insecure: bool, as_json: bool) -> None:
    """Serve only: no demo, and an outdated schema is refused. For orchestrators."""
    settings = settings_of(home, host=host, port=port, insecure=insecure)

    async def work() -> None:
        from mcphub.greeting import greet
        from mcphub.serve import serve

        ring = logging_of(settings)
        await serve(
            settings, ring, migrating=False, ready=lambda first: greet(settings, first, as_json=as_json, browser=False)
        )

    run(work(), loop_factory=fast_loop)


# what every command needs


def settings_of(
    home: Path | None, *, host: str | None = None, port: int | None = None, insecure: bool = False
) -> "Settings":
    from mcphub.settings import SettingsUnusable, read

    try:
        settings = read(os.environ, home=home, host=host, port=port, insecure=insecure)
    except SettingsUnusable as error:
        fail(str(error), UNUSABLE)
    for name in settings.unknown:
        click.echo(f"mcphub: {name} is not a setting of the hub; is it a typing error?", err=True)
    return settings


def logging_of(settings: "Settings", *, quiet: bool = False) -> Any:
    """Sets logging up; a `quiet` command keeps stderr for what went wrong."""
    from mcphub.logging import configure

    return configure("warning" if quiet and settings.log_level == "info" else settings.log_level, settings.log_format)


def fast_loop() -> Any:
    import uvloop

    return uvloop.new_event_loop()


def run(work: Coroutine[Any, Any, None], *, loop_factory: Callable[[], Any] | None = None) -> None:
    """Runs a command to its end; what may go wrong is one line and an exit code."""
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(work)
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
        case MigrationError() | PostgresFailed() | ImportRefused() | PortUnusable():
            return str(error), FAILED
        case psycopg.Error() | PoolTimeout():
            return f"the database: {explain(error)}", FAILED
    return None


def fail(text: str, code: int = FAILED) -> NoReturn:
    click.echo(f"mcphub: {text}", err=True)
    sys.exit(code)
