"""What commands about the whole hub refuse before they touch one."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mcphub.cli import commands


def run(home: Path, *arguments: str, stdin: str = "") -> Result:
    environment = {"MCPHUB_HOME": str(home), "DATABASE_URL": None, "MCPHUB_MASTER_KEYS": None}
    return CliRunner().invoke(commands, [*arguments], input=stdin, env=environment)


def test_a_password_on_the_command_line_is_refused_and_not_repeated(tmp_path: Path) -> None:
    for dsn in (
        "postgresql://hub:s3cret@db.example/hub",  # scan:allow
        "host=db.example user=hub password=s3cret",
    ):
        done = run(tmp_path, "move", "--to", dsn)

        assert done.exit_code == 2
        assert "standard input" in done.output
        assert "s3cret" not in done.output


def test_a_database_that_cannot_be_read_is_a_mistake_of_usage(tmp_path: Path) -> None:
    done = run(tmp_path, "move", "--to", "-", stdin="somewhere://s3cret@else\n")

    assert done.exit_code == 2
    assert "s3cret" not in done.output


def test_what_is_no_backup_is_said_and_no_home_is_made(tmp_path: Path) -> None:
    home = tmp_path / "home"
    done = run(home, "restore", str(tmp_path))

    assert (done.exit_code, home.exists()) == (1, False)
    assert "is no backup" in done.output


@pytest.mark.parametrize("arguments", [("--with-days",), ("--bundle", "x", "--since", "3")])
def test_options_that_do_not_go_together_are_mistakes_of_usage(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run(tmp_path, "export", *arguments)

    assert done.exit_code == 2
    assert "bundle" in done.output
