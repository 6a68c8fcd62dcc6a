"""The documents: links lead somewhere, snippets parse, both languages show the same, and what is named exists."""

import json
import re
import subprocess
from pathlib import Path

import click
import pytest

from mcphub.cli import commands
from mcphub.domain.findings import Policy
from mcphub.domain.settings_check import check
from mcphub.settings import KNOWN, SECRET_FILES
from tests.support import guides
from tests.support.guides import GUIDES, ROOT, Block, anchors, prose

DOCUMENTS = [
    *("README.md", "README.ko.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md", "frontend/README.md"),
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))),
]
PAGES = sorted(path.name for path in (GUIDES / "en").glob("*.md"))
REFERENCE = {"events.md", "tables.md", "api.md"}
GUIDE_PAGES = [f"{language}/{name}" for language in ("en", "ko") for name in PAGES if name not in REFERENCE]
NOT_RUN = {"en": ("Not run by us", "Nothing on this page was run by us"), "ko": ("직접 실행해 보지 않",)}
VERBS = set(re.findall(r"^    \./hub (\w+)", (ROOT / "hub").read_text(), re.M))


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / name).read_text(), re.M | re.S)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files_and_headings_of_the_tree(name: str) -> None:
    lost = []
    for target in guides.links(ROOT / name):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (ROOT / name).parent / file if file else ROOT / name
        if not path.exists() or (anchor and anchor not in anchors(path)):
            lost.append(target)

    assert lost == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_to_elsewhere_are_addresses(name: str) -> None:
    """None is asked: a document must not fail because somebody else's page does."""
    text = prose(ROOT / name)
    outside = [target for target in guides.links(ROOT / name) if re.match(r"[a-z]+:", target)]
    outside += re.findall(r"<([a-z]+:[^>\s]*)>", text)

    assert [target for target in outside if not re.fullmatch(r"https?://[\w.:-]+(/[\w./~%?=&+#-]*)?", target)] == []


def test_headings_become_the_anchors_that_links_name(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '# A `code` [link](x.md)\n## 무엇이 어디에 있나\n## Twice\n## Twice\n<a id="own"></a>\n```sh\n# none\n```\n'
    )

    assert anchors(page) == {"a-code-link", "무엇이-어디에-있나", "twice", "twice-1", "own"}


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

    # The last are the guides' own variables, and those of the images.
    others = {"MCPHUB_KEY", "MCPHUB_AUTH", "MCPHUB_USER_ID", "MCPHUB_SESSION_ID", "MCPHUB_DATABASE_PASSWORD"}

    assert set(re.findall(r"(?<!# )\./hub ([a-z]+)", text)) <= VERBS
    assert set(re.findall(r"\bMCPHUB_[A-Z_]+[A-Z]", text)) <= KNOWN | SECRET_FILES | others


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
        assert {"x86_64", "Debian 12", "Python 3.11", "Debian 13", "Python 3.13"} <= set(
            re.findall(r"x86_64|Debian \d+|Python 3\.\d+", first)
        )


def test_the_snippets_are_what_the_ides_read() -> None:
    cursor, code = (json.loads(block) for block in blocks("README.md", "json"))

    assert cursor["mcpServers"]["mcphub"]["url"] == "http://127.0.0.1:3000/mcp"
    assert code["servers"]["mcphub"]["type"] == "http"
    assert code["inputs"][0]["id"] in code["servers"]["mcphub"]["headers"]["Authorization"]


def test_the_shell_snippets_parse() -> None:
    for block in blocks("README.md", "sh"):
        subprocess.run(["bash", "-n"], input=block, text=True, check=True, timeout=10)


@pytest.mark.parametrize("name", ["openapi.md", "runtimes.md", "tool-changes.md"])
def test_documents_shown_would_be_accepted(name: str) -> None:
    shown = [json.loads(block.text) for block in guides.blocks(ROOT / "docs" / name) if block.language == "json"]
    documents = [value for value in shown if "mcpServers" in value]

    assert documents != []
    for document in documents:
        assert check(document, Policy()).errors == []


# the guides


def test_both_languages_have_the_same_guides() -> None:
    assert sorted(path.name for path in (GUIDES / "ko").glob("*.md")) == PAGES
    assert len(PAGES) > 15


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_index_leads_to_every_guide(language: str) -> None:
    index = guides.links(GUIDES / language / "README.md")

    assert [name for name in PAGES if name not in index and name != "README.md"] == []
    assert f"docs/guides/{language}/README.md" in guides.links(
        ROOT / ("README.md" if language == "en" else "README.ko.md")
    )


@pytest.mark.parametrize("name", [name for name in PAGES if name not in REFERENCE])
def test_both_languages_of_a_guide_show_the_same_blocks(name: str) -> None:
    def shown(language: str) -> list[tuple[str, tuple[str, ...], str]]:
        return [(block.language, block.words, block.text) for block in guides.blocks(GUIDES / language / name)]

    assert shown("en") == shown("ko")


@pytest.mark.parametrize("page", GUIDE_PAGES)
def test_every_block_to_type_says_how_it_is_known_to_be_right(page: str) -> None:
    typed = [block for block in guides.blocks(GUIDES / page) if block.language in {"sh", "console"}]

    assert [block.text for block in typed if not known_by(block, page)] == []


def known_by(block: Block, page: str) -> bool:
    match block.words:
        case ("run" | "run=thorough",):
            return True
        case ("not-run",):
            return any(said in block.before for said in NOT_RUN[page[:2]])
        case (word,) if word.startswith("tested="):
            return (ROOT / word.removeprefix("tested=")).exists()
    return False


@pytest.mark.parametrize("page", GUIDE_PAGES)
def test_blocks_of_the_guides_parse(page: str) -> None:
    for block in guides.blocks(GUIDES / page):
        match block.language:
            case "json":
                json.loads(block.text)
            case "sh":
                subprocess.run(["bash", "-n"], input=block.text, text=True, check=True, timeout=10)
            case "console":
                assert block.text.startswith("$ ")


@pytest.mark.parametrize("page", GUIDE_PAGES)
def test_tests_commands_and_operations_named_in_a_guide_exist(page: str) -> None:
    text = guides.text_of(GUIDES / page)
    operations = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, methods in json.loads((ROOT / "frontend" / "openapi.json").read_text())["paths"].items()
        for method in methods
    }
    asked = {
        (method, re.sub(r"\{\w+\}|\b[A-Z]+\b", "{}", path))
        for method, path in re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/api/[\w/{}-]+)", text)
    }

    assert [name for name in re.findall(r"`(tests/[\w/]+(?:\.py)?)", text) if not (ROOT / name).exists()] == []
    assert set(re.findall(r"mcphub ([a-z][a-z-]+)", guides_code(text))) <= set(commands.commands)
    assert asked - operations == set()


def guides_code(text: str) -> str:
    return "\n".join(re.findall(r"`(mcphub [a-z-]+)", text) + re.findall(r"\.venv/bin/(mcphub [a-z-]+)", text))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_command_is_in_a_guide(language: str) -> None:
    pages = ("install.md", "deploy.md", "administrator.md")
    code = " ".join(" ".join(re.findall(r"`([^`\n]+)`", guides.text_of(GUIDES / language / name))) for name in pages)
    code += " ".join(block.text for name in pages for block in guides.blocks(GUIDES / language / name))

    assert [name for name in commands.commands if not re.search(rf"(?<![\w-]){name}(?![\w-])", code)] == []


def test_clients_are_told_the_same_everywhere() -> None:
    shown = [block.text for block in guides.blocks(GUIDES / "en" / "connect.md") if block.language == "json"]
    page = (ROOT / "frontend" / "src" / "features" / "connect" / "model.ts").read_text()
    (remote,) = [text for text in shown if "mcp-remote" in text]

    assert set(blocks("README.md", "json")) <= set(shown)
    for argument in json.loads(remote)["mcpServers"]["mcphub"]["args"]:
        assert f'"{argument}"' in page or argument.startswith("http")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_settings_page_has_every_variable_once(language: str) -> None:
    text = guides.text_of(GUIDES / language / "settings.md")
    listed = [
        name for cell in re.findall(r"^\| (`[^|]*) \|", text, re.M) for name in re.findall(r"`(MCPHUB_\w+)`", cell)
    ]

    assert sorted(listed) == sorted(KNOWN)
    from_files = {name for name in KNOWN if re.search(rf"^\| [^|]*`{name}`.*_FILE\*\*", text, re.M)}
    assert {f"{name}_FILE" for name in from_files if "CLIENT_ID" not in name} >= SECRET_FILES - {"DATABASE_URL_FILE"}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_release_notes_have_every_version(language: str) -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), re.M)

    assert [
        version for version in versions if version not in guides.text_of(GUIDES / language / "release-notes.md")
    ] == []


@pytest.mark.parametrize("page", [page for page in GUIDE_PAGES if re.search("azure|aws|google", page)])
def test_pages_about_clouds_say_at_the_top_that_nobody_ran_them(page: str) -> None:
    top = guides.text_of(GUIDES / page).partition("\n## ")[0]

    assert any(said in top for said in NOT_RUN[page[:2]])
