"""The frame around every page: language and theme that are kept, the command menu, keys, old links, and dead ends."""

import re
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Person
from tests.support.running import RunningHub
from tests.support.web import Reader

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.thorough
def test_language_and_theme_are_kept_for_the_next_browser(
    open_reader: MakeReader, make_user: Callable[[str], Person]
) -> None:
    person = make_user("ann")
    page = open_reader(person).go("/connect")

    page.get_by_role("button", name="Language: English").click()
    page.get_by_role("menuitemradio", name="한국어").click()
    expect(page.get_by_role("heading", name="연결", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    with page.expect_response(lambda answer: answer.request.method == "PATCH"):
        page.get_by_role("button", name="테마: 어둡게").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    elsewhere = open_reader(person).go("/connect")
    expect(elsewhere.get_by_role("heading", name="연결", exact=True)).to_be_visible()
    expect(elsewhere.locator("html")).to_have_attribute("data-theme", "dark")
    me = person.rest.get("/api/user/me")
    assert (me["language"], me["theme"]) == ("ko", "dark")


@pytest.mark.thorough
def test_the_theme_is_there_before_the_first_paint(open_reader: MakeReader) -> None:
    reader = open_reader(theme="dark")
    reader.page.route("**/assets/**", lambda route: route.abort())

    reader.page.goto(f"{reader.url}/login", wait_until="commit")
    reader.page.wait_for_function("document.documentElement.dataset.theme === 'dark'")


@pytest.mark.thorough
def test_the_command_menu_leads_anywhere_by_keyboard(reader: Reader) -> None:
    page = reader.go("/connect")

    page.keyboard.press("Control+k")
    page.keyboard.type("my set")
    expect(page.get_by_role("option", selected=True)).to_have_text("My settings")
    page.keyboard.press("Enter")
    expect(reader.heading("My settings")).to_be_visible()
    page.keyboard.press("Control+k")
    page.keyboard.type("theme")
    page.keyboard.press("Enter")

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


@pytest.mark.thorough
def test_pages_of_the_sidebar_are_reached_with_the_tab_key(reader: Reader) -> None:
    page = reader.go("/connect")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "My settings":
            break
    page.keyboard.press("Enter")

    expect(reader.heading("My settings")).to_be_visible()


@pytest.mark.thorough
def test_the_sheet_of_keys_opens_by_its_own(reader: Reader) -> None:
    page = reader.go("/connect")

    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Keyboard shortcuts")
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)


def test_old_links_lead_to_where_things_are_now(reader: Reader) -> None:
    reader.go("/keys")

    assert reader.path() == "/connect"


def test_the_start_page_leads_whoever_never_called_to_connecting(reader: Reader) -> None:
    reader.go("/")

    assert reader.path() == "/connect"


def test_an_address_where_nothing_is_says_so_and_leads_on(reader: Reader) -> None:
    page = reader.go("/nowhere/at/all")

    expect(reader.heading("There is nothing at this address")).to_be_visible()
    page.get_by_role("link", name="To the start page").click()
    expect(reader.heading("Connect")).to_be_visible()


@pytest.mark.parametrize("path", ["/.well-known/oauth-protected-resource", "/sse", "/api/nothing", "/assets/gone-1.js"])
def test_clients_get_json_where_there_is_nothing_for_them(hub: RunningHub, path: str) -> None:
    answer = httpx.get(hub.url + path, headers=BROWSER, trust_env=False)

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_a_page_comes_with_its_policy_and_its_parts_compressed(hub: RunningHub) -> None:
    answer = httpx.get(hub.url + "/connect", headers=BROWSER, trust_env=False)
    (styles,) = re.findall(r'href="(/assets/[^"]+[.]css)"', answer.text)
    part = httpx.get(hub.url + styles, headers={"Accept-Encoding": "gzip"}, trust_env=False)

    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert part.headers["content-encoding"] == "gzip"
    assert httpx.head(hub.url + "/connect", headers=BROWSER, trust_env=False).status_code == 200


@pytest.mark.thorough
def test_a_tab_left_open_over_an_upgrade_says_that_it_is_old(reader: Reader) -> None:
    """Parts of the page that are gone are a 404; the page offers to load the new one."""
    page = reader.go("/connect")

    page.evaluate("window.dispatchEvent(new Event('vite:preloadError', { cancelable: true }))")

    expect(page.get_by_text("A new version of this page is there.")).to_be_visible()
    expect(page.get_by_role("button", name="Reload")).to_be_visible()
