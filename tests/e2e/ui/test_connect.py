"""Connecting a client: a key that is shown once, what to paste, and the first call that appears by itself."""

import json
from base64 import b64decode
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.by_hand import listed
from tests.support.rest import Admin, Person
from tests.support.upstreams import Upstreams
from tests.support.web import Reader, UiPage

PAGES = [UiPage("/connect")]


def make_key(page: Page, name: str = "cursor-notebook") -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_text("This is the only time the whole key is shown.")).to_be_visible()


def shown_key(page: Page) -> str:
    page.get_by_role("button", name="Show the key").click()
    return page.get_by_role("status", name="Your key").inner_text()


def test_a_key_is_shown_once_and_hidden_until_one_asks(reader: Reader) -> None:
    page = reader.go("/connect")
    make_key(page)

    assert "•" in page.get_by_role("status", name="Your key").inner_text()
    key = shown_key(page)
    assert len(key) == 45
    page.reload()
    expect(page.get_by_role("row").filter(has_text="cursor-notebook")).to_be_visible()

    assert key not in page.content()
    assert "<your key>" in page.get_by_label("Cursor", exact=True).last.inner_text()
    assert key not in str(page.evaluate("[JSON.stringify(localStorage), JSON.stringify(sessionStorage)]"))


def test_what_is_pasted_works_in_each_client(reader: Reader) -> None:
    page = reader.go("/connect")
    make_key(page)
    key = shown_key(page)

    def pasted(tab: str) -> str:
        page.get_by_role("tab", name=tab).click()
        page.get_by_role("tabpanel").get_by_role("button", name="Copy").first.click()
        expect(page.get_by_role("tabpanel").get_by_role("button", name="Copied").first).to_be_visible()
        return reader.clipboard()

    address, header = f"{reader.url}/mcp", f"Bearer {key}"
    assert json.loads(pasted("Cursor"))["mcpServers"]["mcphub"] == {
        "url": address,
        "headers": {"Authorization": header},
    }
    assert json.loads(pasted("VS Code"))["servers"]["mcphub"]["headers"] == {"Authorization": header}
    assert pasted("Claude Code").endswith(f'mcphub {address} --header "Authorization: {header}"')
    remote = json.loads(pasted("stdio only"))["mcpServers"]["mcphub"]
    assert (remote["args"][1:3], remote["env"]) == (["mcp-remote", address], {"MCPHUB_AUTH": header})
    assert pasted("Other") == f"Authorization: {header}"
    link = page.get_by_role("tab", name="Cursor")
    link.click()
    href = str(page.get_by_role("link", name="Open in Cursor").get_attribute("href"))
    config = json.loads(b64decode(parse_qs(urlsplit(href).query)["config"][0]))
    assert config == {"url": address, "headers": {"Authorization": header}}


def test_the_first_call_appears_by_itself(reader: Reader) -> None:
    page = reader.go("/connect")
    make_key(page)
    key = shown_key(page)
    expect(page.get_by_text("Waiting for the first call …")).to_be_visible()

    listed(reader.url, key, client="Cursor")

    said = page.get_by_role("status").filter(has_text="is connected")
    expect(said).to_contain_text("Cursor 2.1 is connected")
    expect(said).to_contain_text("protocol 2025-06-18")


@pytest.mark.thorough
def test_one_server_has_its_own_address_and_lists_are_chosen_with_their_result(
    open_reader: MakeReader,
    make_user: Callable[[str], Person],
    upstreams: Upstreams,
    serve: Callable[..., None],
    fresh_name: Callable[[str], str],
) -> None:
    person, git = make_user("ann"), fresh_name("git")
    serve({git: upstreams.http(git).config()})
    person.group("mine", git)
    person.rest.post(f"/api/servers/{git}/tools")
    reader = open_reader(person)
    page = reader.go("/connect")
    make_key(page)
    key = shown_key(page)

    lists = page.get_by_role("group", name="What clients list")
    expect(page.get_by_text("Your clients list 12 tools now.")).to_be_visible()
    lists.get_by_role("radio", name="One tool for each server").check()
    expect(page.get_by_text("Your clients list 1 tool now.")).to_be_visible()
    assert listed(reader.url, key) == [f"server_{git}"]
    page.get_by_role("combobox", name="For which servers").click()
    page.get_by_role("option", name=git, exact=True).click()
    page.get_by_role("tabpanel").get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("tabpanel").get_by_role("button", name="Copied").first).to_be_visible()

    pasted = json.loads(reader.clipboard())["mcpServers"][git]
    assert pasted["url"] == f"{reader.url}/mcp/{git}"
    assert len(listed(reader.url, key, path=f"/mcp/{git}")) == 12
    href = str(page.get_by_role("link", name="Open in Cursor").get_attribute("href"))
    assert json.loads(b64decode(parse_qs(urlsplit(href).query)["config"][0])) == pasted
    page.reload()
    expect(page.get_by_role("combobox", name="For which servers")).to_have_text(git)


def test_the_start_page_leads_on_once_a_client_has_called(
    open_reader: MakeReader, make_user: Callable[[str], Person]
) -> None:
    person = make_user("ann")
    listed(person.url, person.key())
    reader = open_reader(person)

    reader.page.goto(reader.url)
    reader.page.wait_for_url("**/servers")

    expect(reader.heading("Servers")).to_be_visible()


def test_a_taken_name_is_said_beside_the_form(open_reader: MakeReader, make_user: Callable[[str], Person]) -> None:
    person = make_user("ann")
    person.key("notebook")
    page = open_reader(person).go("/connect")

    page.get_by_label("Name", exact=True).fill("notebook")
    page.get_by_role("button", name="Another key").click()

    expect(page.get_by_role("alert")).to_have_text("You have a key of that name. Choose another name.")
    expect(page.get_by_label("Name", exact=True)).to_have_value("notebook")


@pytest.mark.thorough
def test_a_rotated_key_is_shown_and_the_old_one_is_on_its_way_out(
    open_reader: MakeReader, make_user: Callable[[str], Person]
) -> None:
    person = make_user("ann")
    old = person.key("notebook")
    page = open_reader(person).go("/connect")

    page.get_by_role("button", name="Actions for notebook").click()
    page.get_by_role("menuitem", name="Rotate").click()
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    expect(page.get_by_role("row").filter(has_text="Being replaced")).to_be_visible()

    assert shown_key(page) not in ("", old)


def test_a_revoked_key_is_gone_at_once(open_reader: MakeReader, make_user: Callable[[str], Person]) -> None:
    person = make_user("ann")
    person.key("notebook")
    page = open_reader(person).go("/connect")

    page.get_by_role("button", name="Actions for notebook").click()
    page.get_by_role("menuitem", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()

    expect(page.get_by_text("notebook was revoked")).to_be_visible()
    expect(page.get_by_text("You have no key yet.")).to_be_visible()
    page.get_by_role("checkbox", name="Show revoked and expired").click()
    expect(page.get_by_role("row").filter(has_text="Revoked")).to_be_visible()
    assert [key["state"] for key in person.rest.get("/api/oauth/keys")] == ["revoked"]


def test_extending_says_until_when_and_an_administrator_finds_the_event(
    open_reader: MakeReader, admin: Admin, fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("short")
    admin.key(name, expiryDays=1)
    page = open_reader(admin).go("/connect")

    page.get_by_role("button", name=f"Actions for {name}", exact=True).click()
    page.get_by_role("menuitem", name="Extend").click()

    expect(page.get_by_text(f"{name} works for 90 more days")).to_be_visible()
    (key,) = [key for key in admin.rest.get("/api/oauth/keys") if key["name"] == name]
    assert key["daysUntilExpiry"] >= 89


@pytest.mark.parametrize("width", [390])
@pytest.mark.thorough
def test_the_menu_of_a_narrow_screen_leads_to_pages(
    open_reader: MakeReader, make_user: Callable[[str], Person], width: int
) -> None:
    reader = open_reader(make_user("ann"), viewport={"width": width, "height": 800})
    page = reader.go("/connect")

    page.get_by_role("button", name="Menu").click()
    page.get_by_role("dialog").get_by_role("link", name="My settings").click()

    expect(reader.heading("My settings")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
