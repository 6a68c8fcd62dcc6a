"""What somebody who helps from afar asks for first."""

from datetime import UTC, datetime
from pathlib import Path

import click

from mcphub.cli.shared import UNUSABLE, answer, fail, home_option, json_option, run, settings_of


@click.command("support-bundle")
@home_option
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@json_option
def support_bundle(home: Path | None, file: Path | None, as_json: bool) -> None:
    """Write versions, settings, findings, numbers and the last log lines into FILE, a .tar.gz, without secrets.

    It names nobody and holds no value of a setting that may be secret. Look into it before you hand it on.
    """
    path = file or Path(f"mcphub-support-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    settings = settings_of(home, insecure=True)

    async def main() -> None:
        from mcphub.logging import configure
        from mcphub.support import write_bundle

        configure("error", settings.log_format)
        try:
            parts = await write_bundle(settings, path)
        except FileExistsError:
            fail(f"{path} exists already", UNUSABLE)
        except OSError as error:
            fail(f"{path} cannot be written: {error.strerror}", UNUSABLE)
        sizes = {part.name: len(part.content) for part in parts}
        text = "\n".join(f"{size:>10,}  {name}" for name, size in sizes.items())
        answer({"file": str(path), "parts": sizes}, f"{path}\n{text}", as_json=as_json)

    run(main())
