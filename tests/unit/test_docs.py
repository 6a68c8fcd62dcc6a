"""The documents at the top: links lead somewhere, snippets parse, and both languages show the same commands."""

import json
import re
import subprocess
from pathlib import Path

import click
import pytest

from mcphub.cli import commands
from mcphub.settings import KNOWN

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *("README.md", "README.ko.md", "CONTRIBUTING.md", "CHANGELOG.md"),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))),
]
VERBS = set(re.findall(r"^    \./hub (\w+)", (ROOT / "hub").read_text(), re.M))


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files_of_the_tree(name: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)", (ROOT / name).read_text())
    folder = (ROOT / name).parent

    assert [target for target in targets if "://" not in target and not (folder / target).exists()] == []


def test_the_architecture_names_files_that_exist() -> None:
    named = re.findall(r"`([\w./-]+(?:\.py|\.sql|\.md|/))(?:: \w+)?", (ROOT / "docs" / "ARCHITECTURE.md").read_text())

    assert len(named) > 60
    assert [name for name in named if not ((ROOT / "src" / name).exists() or (ROOT / name).exists())] == []


def test_names_behind_a_file_of_the_architecture_are_in_it() -> None:
    named = re.findall(r"`([\w./]+): ([\w.]+)`", (ROOT / "docs" / "ARCHITECTURE.md").read_text())

    def text(name: str) -> str:
        return next(path for path in (ROOT / "src" / name, ROOT / name) if path.exists()).read_text()

    assert len(named) > 5
    assert [(name, what) for name, what in named if what.split(".")[-1] not in text(name)] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_only_verbs_and_variables_that_exist_are_named(name: str) -> None:
    text = (ROOT / name).read_text()

    assert set(re.findall(r"\./hub ([a-z]+)", text)) <= VERBS
    assert set(re.findall(r"\bMCPHUB_[A-Z_]+", text)) <= KNOWN | {"MCPHUB_KEY"}


def test_both_languages_show_the_same_commands_and_snippets() -> None:
    english = {language: blocks("README.md", language) for language in ("sh", "json")}

    assert english == {language: blocks("README.ko.md", language) for language in ("sh", "json")}
    assert [len(found) for found in english.values()] == [5, 2]


def test_only_commands_that_exist_are_shown() -> None:
    shown = re.findall(
        r"\.venv/bin/mcphub ([a-z-]+)(?: ([a-z-]+))?(?: .*)?$", "\n".join(blocks("README.md", "sh")), re.M
    )

    assert len(shown) > 5
    for name, more in shown:
        command = commands.commands[name]
        assert not isinstance(command, click.Group) or more in command.commands


def test_the_first_screen_is_the_two_commands() -> None:
    for name in ("README.md", "README.ko.md"):
        first = "\n".join((ROOT / name).read_text().splitlines()[:12])

        assert "./hub up" in first
        assert "./hub test" in first
        assert "Debian 12, x86_64, Python 3.11" in first


def test_the_snippets_are_what_the_ides_read() -> None:
    cursor, code = (json.loads(block) for block in blocks("README.md", "json"))

    assert cursor["mcpServers"]["mcphub"]["url"] == "http://127.0.0.1:3000/mcp"
    assert code["servers"]["mcphub"]["type"] == "http"
    assert code["inputs"][0]["id"] in code["servers"]["mcphub"]["headers"]["Authorization"]


def test_the_shell_snippets_parse() -> None:
    for block in blocks("README.md", "sh"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True, timeout=10)
