"""What holds on every page, in English and light and in Korean and dark, by mouse and by keyboard; and that no page is
without a test.

A test file of this folder announces its pages: `PAGES = [UiPage(route="/connect")]`. The router's own list says which
pages there are.
"""

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.ui.conftest import MakeReader, keep_pictures
from tests.support.keyboard import out_of_reach
from tests.support.rest import Admin, Person
from tests.support.running import ROOT, RunningHub
from tests.support.web import NARROW, WIDE, Language, Reader, Theme, UiPage, faults, words_of_another_language

HERE = Path(__file__).parent
TREE = ROOT / "frontend" / "src" / "routeTree.gen.ts"
LANDING = {"/", "/admin/settings", "/admin/mcp-servers"}  # lead on at once; test_frame and test_config follow them


def announced() -> list[UiPage]:
    found: list[UiPage] = []
    for file in sorted(HERE.glob("test_*.py")):
        if file.stem != "test_every_page":
            found += getattr(import_module(f"tests.e2e.ui.{file.stem}"), "PAGES", [])
    return found


def routes() -> set[str]:
    """Every address the router knows, without the frames around them."""
    (block,) = re.findall(r"interface FileRoutesByTo \{(.*?)\}", TREE.read_text(), re.S)
    return set(re.findall(r"'([^']+)'", block))


def test_every_page_of_the_router_has_a_test() -> None:
    known = [page.route for page in announced()]

    assert routes() - LANDING - set(known) == set()
    assert set(known) - routes() == set()
    assert len(known) == len(set(known))


@pytest.fixture(scope="module")
def kept() -> Iterator[dict[tuple[str, str, str], Reader]]:
    """Readers by who they are, their language and theme: one opens all pages, as the files of the interface stay."""
    readers: dict[tuple[str, str, str], Reader] = {}
    yield readers
    for reader in readers.values():
        reader.close()


@pytest.fixture
def kept_reader(
    request: pytest.FixtureRequest,
    kept: dict[tuple[str, str, str], Reader],
    browser: Browser,
    hub: RunningHub,
    shared_people: dict[str, Person],
    tmp_path: Path,
) -> Iterator[Callable[[str, Language, Theme], Reader]]:
    """Takes one of `kept`; it is left at an empty page."""
    taken: list[Reader] = []

    def take(who: str, language: Language, theme: Theme) -> Reader:
        if (who, language, theme) not in kept:
            reader = Reader(browser, hub.url, language=language, theme=theme)
            if who != "nobody":
                reader.sign_in(shared_people[who])
            kept[who, language, theme] = reader
        taken.append(kept[who, language, theme])
        return taken[-1]

    yield take
    keep_pictures(request, taken, tmp_path)
    for reader in taken:
        reader.page.goto("about:blank")
        reader.page.set_viewport_size(WIDE)  # type: ignore[arg-type]  # a size is a size
        reader.under_way.clear()
        reader.complaints.clear()


LOOKS: list[tuple[Language, Theme]] = [("en", "light"), ("ko", "dark")]


def looks() -> list[Any]:
    """Every page in each language and theme; of the two looks the normal run takes one, page by page in turn.

    The short form leaves out pages of a single thing, which their own tests open.
    """
    return [
        pytest.param(
            page,
            *look,
            id=f"{page.route}-{'-'.join(look)}",
            marks=[pytest.mark.soak] if at != number % len(LOOKS) else [pytest.mark.thorough] * ("$" in page.route),
        )
        for number, page in enumerate(announced())
        for at, look in enumerate(LOOKS)
    ]


@pytest.mark.parametrize(("page", "language", "theme"), looks())
def test_a_page_is_whole_in_each_language_and_theme_and_on_a_narrow_screen(
    page: UiPage,
    language: Language,
    theme: Theme,
    admin: Admin,
    open_reader: MakeReader,
    kept_reader: Callable[[str, Language, Theme], Reader],
    make_user: Callable[[str], Person],
) -> None:
    if page.who == "fresh":
        whose: Person = make_user("page")
        reader = open_reader(whose, language=language, theme=theme)
    else:
        whose, reader = admin, kept_reader(page.who, language, theme)
    path = page.state(whose) if page.state is not None else page.path or page.route

    shown = reader.go(path)
    reader.settled()

    assert shown.locator("html").get_attribute("lang") == language
    assert shown.locator("html").get_attribute("data-theme") == theme
    expect(shown.locator("h1")).to_have_count(1)
    assert "MCPHub" in shown.title()
    assert faults(shown) == []
    assert words_of_another_language(shown, language) == []
    assert reader.complaints == []
    assert out_of_reach(shown) == []

    shown.set_viewport_size(NARROW)  # the longest words of either language fit
    wide = shown.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0
