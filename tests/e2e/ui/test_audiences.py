"""Whom servers are for: seen at a glance, changed by name, and what a change would do said before it is saved."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.web import Reader, UiPage

PAGES = [UiPage("/admin/audiences", who="admin")]
CONFIG: dict[str, Any] = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}


@pytest.fixture
def reader(open_reader: MakeReader, admin: Admin) -> Reader:
    return open_reader(admin)


@pytest.fixture
def server(serve: Callable[..., None], fresh_name: Callable[[str], str]) -> str:
    name = fresh_name("aud")
    serve({name: CONFIG})
    return name


def panel(page: Page, server: str) -> Locator:
    return page.get_by_role("region", name=server, exact=True)


def add(box: Locator, kind: str, names: str) -> None:
    box.get_by_role("textbox", name=kind).or_(box.get_by_role("combobox", name=kind)).fill(names)
    box.get_by_role("button", name=f"Add to {kind}").click()


def active(admin: Admin) -> int:
    return int(admin.rest.send("GET", "/api/admin/users").json()["counts"]["active"])


def test_a_server_is_narrowed_to_names_and_says_first_whom_it_cuts_off(
    reader: Reader, admin: Admin, make_user: Callable[[str], Person], server: str
) -> None:
    ann, eve = make_user("ann"), make_user("eve")
    everybody = active(admin)
    page = reader.go(f"/admin/audiences?q={server}")
    page.get_by_role("row").filter(has_text=server).click()
    box = panel(page, server)
    expect(box).to_contain_text(f"{everybody:,} of {everybody:,} active users")
    expect(box.get_by_role("button", name="Save")).to_be_disabled()

    box.get_by_role("button", name="Named").click()
    expect(box).to_contain_text("Nothing is named, so nobody may use this server.")
    add(box, "Users", f"{ann.username}, not-a-user")
    expect(box).to_contain_text(f"1 of {everybody:,} active users")
    expect(box).to_contain_text(f"−{everybody - 1:,} lose it")
    expect(box).to_contain_text("Nobody is called: not-a-user")
    box.get_by_role("button", name="Remove not-a-user").click()
    add(box, "Teams", "acme")
    expect(box).to_contain_text("Write a team as organisation/team.")
    add(box, "Teams", "acme/core")
    box.get_by_role("button", name="Save").click()

    expect(page.get_by_role("row").filter(has_text=server)).to_contain_text("Named")
    expect(page.get_by_role("row").filter(has_text=server)).to_contain_text("acme/core")
    saved = admin.rest.get(f"/api/servers/{server}")["audience"]
    assert saved == {"users": [ann.username], "teams": ["acme/core"]}
    assert server in [one["name"] for one in ann.rest.get("/api/servers")]
    assert server not in [one["name"] for one in eve.rest.get("/api/servers")]


@pytest.mark.thorough
def test_a_change_made_meanwhile_is_not_overwritten(reader: Reader, admin: Admin, server: str) -> None:
    page = reader.go(f"/admin/audiences?e={server}")
    box = panel(page, server)
    box.get_by_role("button", name="Named").click()
    add(box, "Groups", "staff")
    admin.rest.put(f"/api/servers/{server}/audience", {"audience": {"organizations": ["acme"]}})

    box.get_by_role("button", name="Save").click()

    expect(box.get_by_role("alert")).to_contain_text("Somebody changed this meanwhile.")
    assert admin.rest.get(f"/api/servers/{server}")["audience"] == {"organizations": ["acme"]}
    box.get_by_role("button", name="Revert").click()
    expect(box.get_by_role("list", name="Organizations")).to_have_text("acme")
    expect(box.get_by_role("button", name="Save")).to_be_disabled()


@pytest.mark.thorough
def test_a_private_server_is_its_owners_whatever_its_audience(
    reader: Reader, serve: Callable[..., None], make_user: Callable[[str], Person], fresh_name: Callable[[str], str]
) -> None:
    owner, server = make_user("owner"), fresh_name("own")
    serve({server: {**CONFIG, "visibility": "private", "owner": owner.username}})
    page = reader.go(f"/admin/audiences?view=private&e={server}")

    expect(page.get_by_role("row").filter(has_text=server)).to_contain_text("Owner only")
    expect(panel(page, server)).to_contain_text(f"this server is its owner's ({owner.username})")
    expect(panel(page, server)).to_contain_text("1 of ")


@pytest.mark.thorough
def test_the_view_and_the_chosen_server_stand_in_the_address(
    reader: Reader, admin: Admin, server: str, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    closed = fresh_name("nobodys")
    serve({closed: {**CONFIG, "mcphub": {"audience": {}}}})
    page = reader.go("/admin/audiences")

    page.get_by_role("button", name="Nobody", exact=True).click()
    expect(page.get_by_role("row").filter(has_text=server)).to_have_count(0)
    page.get_by_role("grid").focus()
    search = page.get_by_role("searchbox")
    search.fill(closed)
    page.get_by_role("grid").focus()
    page.keyboard.press("ArrowDown")
    expect(panel(page, closed)).to_be_visible()
    page.reload()

    expect(panel(page, closed)).to_contain_text("0 of ")
    expect(search).to_have_value(closed)
