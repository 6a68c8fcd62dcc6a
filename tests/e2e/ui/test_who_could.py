"""Who could use a server or a tool, now and then: asked on its own page, from the tool and from the simulator."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support import by_hand
from tests.support.rest import Admin, Person
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually
from tests.support.web import Reader, UiPage

DEAD: dict[str, Any] = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}


def a_server(admin: Admin) -> str:
    if all(server["name"] != "page-who" for server in admin.rest.get("/api/servers", params={"all": True})):
        admin.add_servers({"page-who": DEAD})
    return "/admin/who-could?server=page-who&tool=search&who=all"


PAGES = [UiPage("/admin/who-could", who="admin", state=a_server)]


@pytest.fixture
def reader(open_reader: MakeReader, admin: Admin) -> Reader:
    return open_reader(admin)


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("grid", name="Who could use it").get_by_role("row").filter(has_text=name)


def scrolled_to(page: Page, name: str) -> Locator:
    """The row of somebody who may be far down among the users of other tests, of whom pages come as they are needed."""
    grid, wanted = page.get_by_role("grid", name="Who could use it"), row(page, name)

    def there() -> bool:
        grid.evaluate("grid => { grid.scrollTop += grid.clientHeight / 2 }")
        return wanted.count() == 1

    eventually(there, within=30, what=f"a row of {name}")
    return wanted


def test_who_could_use_a_tool_is_asked_from_it_and_at_an_earlier_time(
    reader: Reader,
    admin: Admin,
    make_user: Callable[[str], Person],
    serve: Callable[..., None],
    upstreams: Upstreams,
    fresh_name: Callable[[str], str],
) -> None:
    desk, ann, bob = fresh_name("desk"), make_user("ann"), make_user("bob")
    serve({desk: upstreams.http(desk, "find").config()})
    ann.key("laptop")
    by_hand.listed(reader.url, admin.key())
    audience = f"/api/servers/{desk}/audience"
    admin.rest.put(audience, {"audience": {"users": [admin.username, ann.username]}})
    narrow = admin.rest.get("/api/audit/moment")["position"]
    admin.rest.put(audience, {"audience": "everyone"})
    page = reader.go(f"/servers/{desk}/tools/find")

    page.get_by_role("link", name="Who can use it?").click()
    expect(reader.heading("Who could use it")).to_be_visible()
    expect(scrolled_to(page, ann.username)).to_contain_text("laptop")
    expect(scrolled_to(page, bob.username)).to_contain_text("Allowed")
    page.get_by_label("When", exact=True).fill(str(narrow))
    page.get_by_role("button", name="Ask").click()

    expect(page.get_by_role("region", name="Time travel")).to_contain_text(f"State as of #{narrow:,}")
    expect(row(page, ann.username)).to_contain_text("Allowed")
    expect(row(page, bob.username)).to_have_count(0)
    page.get_by_role("button", name="Everybody").click()
    expect(scrolled_to(page, bob.username)).to_contain_text("The server is not meant for the user")
    told = admin.rest.get(f"/api/audit/who-could?server={desk}&tool=find&at={narrow}&which=all&limit=200")
    could, everybody = told["reasons"]["allowed"], sum(told["reasons"].values())
    expect(page.get_by_text(f"{could} of {everybody} could use it.")).to_be_visible()
    page.get_by_role("searchbox", name="Find a user").fill(bob.username)
    expect(row(page, ann.username)).to_have_count(0)
    expect(row(page, bob.username)).to_contain_text("The server is not meant for the user")
    address = page.url
    page.reload()
    expect(row(page, bob.username)).to_contain_text("The server is not meant for the user")
    expect(row(page, ann.username)).to_have_count(0)
    assert page.url == address

    row(page, bob.username).get_by_role("button", name=f"Why? {desk} · find").click()
    why = page.get_by_role("dialog", name=f"Why? {desk} · find")
    expect(why.get_by_role("link", name="Event #")).to_be_visible()
    page.get_by_role("button", name="Back to now").click()
    expect(row(page, bob.username)).to_contain_text("Allowed")


def test_the_simulator_leads_to_who_else_and_what_was_not_there_is_said(
    reader: Reader, admin: Admin, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    before = admin.rest.get("/api/audit/moment")["position"]
    desk = fresh_name("desk")
    serve({desk: DEAD})
    page = reader.go(f"/admin/access?user={admin.id}")
    page.get_by_role("button", name=f"Why? {desk}", exact=True).click()

    page.get_by_role("link", name="Who else may use it?").click()
    expect(row(page, admin.username)).to_contain_text("Allowed")
    page.get_by_label("Tool", exact=True).fill("nothing")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_text("No tool of this name is on the record")).to_be_visible()
    page.get_by_label("When", exact=True).fill(str(before))
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_text(f"There was no server {desk} at that time")).to_be_visible()
    page.get_by_label("When", exact=True).fill("yesterday")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert").first).to_contain_text("There is no such time")
