"""The access simulator: what a user's client sees at an address, through a key, and why the rest is hidden."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support import by_hand
from tests.support.rest import Admin, Person
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually
from tests.support.web import Reader, UiPage


def somebody(admin: Admin) -> str:
    return f"/admin/access?user={admin.id}"


PAGES = [UiPage("/admin/access", who="admin", state=somebody)]
DEAD: dict[str, Any] = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}


@pytest.fixture
def reader(open_reader: MakeReader, admin: Admin) -> Reader:
    return open_reader(admin)


def reason(page: Page, server: str, text: str) -> None:
    expect(page.locator(f"[data-server={server}]")).to_contain_text(text)


def test_everything_hidden_says_why_and_what_is_seen_is_what_the_client_lists(
    reader: Reader,
    admin: Admin,
    make_user: Callable[[str], Person],
    serve: Callable[..., None],
    upstreams: Upstreams,
    fresh_name: Callable[[str], str],
) -> None:
    seen, off, others, ungrouped = (fresh_name(stem) for stem in ("seen", "off", "others", "ungrouped"))
    ann = make_user("ann")
    serve(
        {
            seen: upstreams.http(seen, "find", "drop").config(),
            off: {**DEAD, "enabled": False},
            others: {**DEAD, "mcphub": {"audience": {"users": ["somebody-else"]}}},
            ungrouped: DEAD,
        }
    )
    ann.group("mine", seen)
    key, narrow = ann.key("whole"), ann.key("narrow", scope={"servers": []})
    assert narrow
    by_hand.listed(reader.url, key)
    admin.rest.post(f"/api/servers/{seen}/tools/drop/toggle", {"enabled": False})
    page = reader.go("/admin/access")
    expect(page.get_by_text("Choose a user", exact=True)).to_be_visible()

    page.get_by_role("combobox", name="User").fill(ann.username)
    page.get_by_role("option", name=ann.username).click()

    reason(page, off, "The server is switched off")
    reason(page, others, "The server is not meant for the user")
    reason(page, ungrouped, "None of the user's active groups has the server")
    reason(page, seen, "An administrator switched it off")
    page.get_by_role("combobox", name="Mode").click()
    page.get_by_role("option", name="Every tool").click()
    access = admin.rest.get(f"/api/admin/users/{ann.id}/access", params={"url": "/mcp?mode=tools"})
    listed = page.get_by_role("list", name=f"Listed by tools/list: {len(access['listed'])}")
    expect(listed).to_contain_text("__find")
    assert listed.inner_text().split() == access["listed"]
    page.get_by_role("combobox", name="Key").click()
    page.get_by_role("option", name="narrow").click()
    reason(page, seen, "The key is narrowed to other servers")
    page.reload()

    reason(page, seen, "The key is narrowed to other servers")
    expect(page.get_by_role("combobox", name="Mode")).to_contain_text("Every tool")
    expect(page.get_by_role("combobox", name="User")).to_have_value(ann.username)
    page.get_by_role("button", name="Visible", exact=True).click()
    expect(page.get_by_text("No server fits this filter")).to_be_visible()


@pytest.mark.thorough
def test_an_address_that_is_not_theirs_answers_404_and_a_pasted_key_goes_nowhere(
    reader: Reader,
    admin: Admin,
    make_user: Callable[[str], Person],
    serve: Callable[..., None],
    fresh_name: Callable[[str], str],
) -> None:
    ann, server = make_user("ann"), fresh_name("closed")
    key = ann.key("notebook")
    serve({server: {**DEAD, "mcphub": {"audience": {"users": ["somebody-else"]}}}})
    page = reader.go(f"/admin/access?user={ann.id}")

    page.get_by_role("combobox", name="Address").fill(f"{reader.url}/mcp/{server}?key={key}")

    expect(page.get_by_text("The address answers 404 to this user")).to_be_visible()
    assert key not in reader.path()
    assert not [answer.url for answer in reader.answers if key in answer.url]
    admin.set_active(ann, False)
    page.get_by_role("combobox", name="Address").fill("/mcp")
    reason(page, server, "The user is locked or waits for an administrator")
    page.get_by_role("link", name="Open the user").click()
    expect(reader.heading(ann.username)).to_be_visible()


@pytest.mark.thorough
def test_a_reason_leads_to_the_event_that_made_it_so(
    reader: Reader,
    admin: Admin,
    make_user: Callable[[str], Person],
    serve: Callable[..., None],
    fresh_name: Callable[[str], str],
) -> None:
    ann, server = make_user("ann"), fresh_name("shut")
    serve({server: DEAD})
    admin.rest.post(f"/api/servers/{server}/toggle", {"enabled": False})
    switched = admin.rest.get("/api/audit?type=ServerDisabled&limit=1")[0]["position"]
    page = reader.go(f"/admin/access?user={ann.id}")

    page.get_by_role("button", name=f"Why? {server}", exact=True).click()

    told = page.get_by_role("dialog", name=f"Why? {server}")
    expect(told).to_contain_text("The server is switched off")
    expect(told).to_contain_text(f"by {admin.username}")
    told.get_by_role("link", name=f"Event #{switched:,}").click()
    expect(reader.heading(f"Event #{switched}")).to_be_visible()


def test_a_name_of_an_earlier_list_opens_what_the_list_said_then(
    reader: Reader,
    admin: Admin,
    make_user: Callable[[str], Person],
    serve: Callable[..., None],
    upstreams: Upstreams,
    fresh_name: Callable[[str], str],
) -> None:
    ann, desk = make_user("ann"), fresh_name("desk")
    serve({desk: upstreams.http(desk, "echo").config()})
    by_hand.listed(reader.url, ann.key())
    known = lambda: admin.audit(type="ToolDiscovered", server=desk)  # noqa: E731
    eventually(known, within=15, what="its tools are on the record")
    at = admin.rest.get("/api/audit/moment")["position"]
    admin.rest.put(f"/api/servers/{desk}/tools/echo/description", {"description": "Another one of now."})
    page = reader.go(f"/admin/access?user={ann.id}&url=/mcp/{desk}&at={at}")

    page.get_by_role("button", name="echo", exact=True).click()

    told = page.get_by_role("dialog", name="What the list said of echo")
    expect(told).to_contain_text("inputSchema")
    expect(told).not_to_contain_text("of now")
