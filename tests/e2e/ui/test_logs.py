"""The system log: lines come in by themselves, filters stand in the address, what is scrolled up to stays."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.session_by_hand import Session
from tests.support.upstreams import Upstreams
from tests.support.web import UiPage

PAGES = [UiPage("/admin/logs", who="admin")]


def line(page: Page, text: str) -> Locator:
    return page.get_by_role("option").filter(has_text=text)


def test_a_call_is_a_line_at_once_and_leads_to_its_request(
    open_reader: MakeReader,
    admin: Admin,
    make_user: Callable[[str], Person],
    upstreams: Upstreams,
    serve: Callable[..., None],
    fresh_name: Callable[[str], str],
) -> None:
    server, person = upstreams.http(fresh_name("wiki")), make_user("ann")
    serve({server.name: server.config()})
    reader = open_reader(admin)
    page = reader.go(f"/admin/logs?q=server:{server.name}")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()

    session = Session(person.url, person.key(), path=f"/mcp/{server.name}")
    session.call("echo", text="the argument")
    session.close()

    called = line(page, "mcp_request").filter(has_text="tool=echo")
    expect(called).to_have_count(1)
    expect(page.get_by_role("option").filter(has_not_text=server.name)).to_have_count(0)
    assert "the argument" not in page.content()
    called.click()
    panel = page.get_by_role("complementary", name="Line")
    expect(panel).to_contain_text(person.id)
    address = page.url
    page.reload()
    expect(panel).to_contain_text(person.id)
    assert page.url == address
    panel.get_by_role("button", name="Lines around it").click()
    expect(panel.get_by_role("region", name="20 lines before and after")).to_contain_text("tool=echo")
    panel.get_by_role("link", name="Open the request").click()
    expect(page.get_by_text("echo").first).to_be_visible()
    assert "/admin/requests/" in page.url
    assert reader.complaints == []


@pytest.mark.thorough
def test_a_query_narrows_and_says_what_it_cannot_ask(open_reader: MakeReader, admin: Admin) -> None:
    page = open_reader(admin).go("/admin/logs")
    box = page.get_by_role("searchbox", name="Filter the log")

    box.fill("source:api.services command_committed color:red")
    box.press("Enter")
    expect(page.get_by_text("Not used: color:red")).to_be_visible()
    expect(line(page, "command_committed").first).to_be_visible()
    expect(page.get_by_role("option").filter(has_not_text="command_committed")).to_have_count(0)

    page.get_by_role("button", name="Remove the condition command_committed").click()
    box.fill("nothing-of-the-kind-is-written")
    box.press("Enter")
    expect(page.get_by_text("No line fits")).to_be_visible()
    page.go_back()
    expect(line(page, "command_committed").first).to_be_visible()
    page.get_by_role("button", name="Errors").click()
    assert "level" in page.url


@pytest.mark.thorough
def test_whoever_scrolls_up_stays_there_and_is_told_how_many_came(
    open_reader: MakeReader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    person = make_user("ann")
    for number in range(60):
        person.group(f"g{number}")
    page = open_reader(admin).go("/admin/logs?q=source:api.services")
    box = page.get_by_role("listbox", name="System logs")
    expect(line(page, "command_committed").last).to_be_visible()

    box.focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("button", name="To the newest")).to_be_visible()
    first = page.get_by_role("option").first.inner_text()
    person.group("while-scrolled-up")
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    assert page.get_by_role("option").first.inner_text() == first
    page.get_by_role("button", name="1 new").click()
    expect(page.get_by_role("button", name="1 new")).to_have_count(0)

    page.keyboard.press("Escape")
    page.get_by_role("button", name="Live").click()
    assert "live=off" in page.url
    expect(page.get_by_role("button", name="Paused")).to_be_visible()
    person.group("while-paused")
    total = page.get_by_role("option").last.get_attribute("aria-setsize")
    page.get_by_role("button", name="Paused").click()
    expect(page.get_by_role("option").last).to_have_attribute("aria-setsize", str(int(total or 0) + 1))
