"""Servers as their users and administrators see them: how they do, their tools, what they need, what was asked."""

from collections.abc import Callable
from typing import Any, Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.upstreams import SERVERS, HttpServer, Upstreams
from tests.support.waiting import eventually
from tests.support.web import Reader, UiPage, faults, words_of_another_language

GONE = "http://127.0.0.1:9/mcp"


def a_server(admin: Admin) -> str:
    if all(server["name"] != "page-server" for server in admin.rest.get("/api/servers")):
        slots = {"PAGE_SITE": {"isSecret": False, "required": False, "description": "Where it is."}}
        headers = {"Authorization": "Bearer ${USER_PAGE_TOKEN}", "X-Site": "${USER_PAGE_SITE}"}
        entry = {"type": "streamable-http", "url": GONE, "headers": headers, "mcphub": {"slots": slots}}
        admin.add_servers({"page-server": entry})
    return "/servers/page-server"


PAGES = [UiPage("/servers"), UiPage("/servers/$name", state=a_server)]


@pytest.fixture
def server(upstreams: Upstreams, serve: Callable[..., None], fresh_name: Callable[[str], str]) -> HttpServer:
    made = upstreams.http(fresh_name("wiki"))
    serve({made.name: made.config(description="Pages of the company.")})
    return made


def row(page: Page, name: str) -> Locator:
    return page.locator(f'[data-row="{name}"]')


def use(person: Person, server: str, tool: str, **arguments: Any) -> dict[str, Any]:
    """A call through the gateway."""
    done: dict[str, Any] = person.rest.post(f"/api/servers/{server}/tools/{tool}/try", {"arguments": arguments})
    return done


def told(milliseconds: float) -> str:
    return f"{int(milliseconds + 0.5)} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def figures_of(person: Person, server: str) -> dict[str, Any]:
    """What the hub counts of the person's own calls; nothing was counted yet: 0."""
    found = person.rest.get("/api/requests/stats", params={"by": "server", "method": "tools/call"})
    return next((each for each in found if each["server"] == server), {"count": 0})


@pytest.mark.thorough
def test_the_figures_of_a_server_are_those_of_its_calls(
    open_reader: MakeReader, make_user: Callable[[str], Person], server: HttpServer
) -> None:
    person, other = make_user("ann"), make_user("ben")
    person.rest.post(f"/api/servers/{server.name}/tools")
    for _ in range(3):
        use(person, server.name, "echo", text="hi")
    use(person, server.name, "crash")
    use(other, server.name, "echo", text="of somebody else")
    eventually(lambda: figures_of(person, server.name)["count"] == 4, within=10, what="four calls in the figures")
    figures = figures_of(person, server.name)
    page = open_reader(person).go("/servers")

    cells = row(page, server.name).get_by_role("gridcell")

    expect(cells.nth(2)).to_have_text("Ready")
    expect(cells.nth(3)).to_have_text("12")
    expect(cells.nth(4)).to_have_text("4")
    expect(cells.nth(5)).to_have_text(told(figures["p95Ms"]))
    assert (figures["errors"], figures["errorRate"]) == (1, 0.25)
    expect(cells.nth(6)).to_have_text("25.0%")
    expect(cells.nth(8)).to_have_text("streamable-http")


@pytest.mark.thorough
def test_a_search_finds_servers_and_tools_and_stands_in_the_address(
    reader: Reader, server: HttpServer, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    other = fresh_name("other")
    serve({other: {"type": "streamable-http", "url": GONE}})
    page = reader.go(f"/servers/{server.name}?tab=tools")
    expect(row(page, "whoami")).to_be_visible()
    page.get_by_role("link", name="Servers", exact=True).first.click()
    expect(row(page, other)).to_be_visible()

    page.keyboard.press("/")
    page.keyboard.type("whoami")
    expect(row(page, other)).to_have_count(0)
    found = row(page, f"{server.name}/whoami")
    expect(found).to_contain_text("What reached this server")
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("whoami")
    found.get_by_role("link", name="whoami").click()
    expect(page).to_have_url(f"{reader.url}/servers/{server.name}/tools/whoami")
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("whoami")
    page.goto(f"{reader.url}/servers?q=whoami&status=disabled")
    page.get_by_role("button", name="Clear the filters").click()
    expect(row(page, other)).to_be_visible()


@pytest.mark.thorough
@pytest.mark.parametrize(("language", "theme"), [("en", "light"), ("ko", "dark")])
def test_tools_are_found_by_what_korean_words_mean_though_no_text_has_them(
    open_reader: MakeReader,
    make_user: Callable[[str], Person],
    server: HttpServer,
    language: Literal["en", "ko"],
    theme: Literal["light", "dark"],
) -> None:
    server.become(
        {"name": "create_ticket", "description": "Opens a new issue.", "inputSchema": {"type": "object"}},
        {"name": "count_birds", "description": "How many there are.", "inputSchema": {"type": "object"}},
    )
    person = make_user("seeker")
    person.group("only", server.name)
    person.rest.post(f"/api/servers/{server.name}/tools")
    page = open_reader(person, language=language, theme=theme).go("/servers")

    page.get_by_role("searchbox").fill("이슈 등록")

    expect(row(page, f"{server.name}/create_ticket")).to_contain_text("Opens a new issue.")
    assert faults(page) == []
    assert words_of_another_language(page, language) == []


@pytest.mark.thorough
def test_filters_and_the_order_are_restored_by_the_address(
    reader: Reader, server: HttpServer, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    asking = fresh_name("asking")
    serve({asking: {"type": "streamable-http", "url": GONE, "headers": {"X-A": "${USER_UI_LIST}"}}})
    page = reader.go("/servers")
    expect(row(page, asking)).to_contain_text("1 missing")

    page.get_by_label("For me").click()
    page.get_by_role("option", name="Values missing").click()
    page.get_by_role("columnheader", name="Server").get_by_role("button").click()
    expect(row(page, server.name)).to_have_count(0)
    expect(row(page, asking)).to_be_visible()
    page.reload()

    assert reader.path() == "/servers?ready=missing&sort=name"
    expect(row(page, server.name)).to_have_count(0)
    expect(page.get_by_role("columnheader", name="Server")).to_have_attribute("aria-sort", "ascending")
    page.go_back()
    page.go_back()
    expect(row(page, server.name)).to_be_visible()


@pytest.mark.thorough
def test_the_list_is_walked_by_keyboard(reader: Reader, server: HttpServer) -> None:
    page = reader.go(f"/servers?q={server.name}")
    expect(row(page, server.name)).to_be_visible()

    page.get_by_role("grid", name="Servers").focus()
    page.keyboard.press("j")
    expect(row(page, server.name)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{reader.url}/servers/{server.name}")
    page.get_by_role("tab", name="Tools").press("Enter")
    expect(row(page, "whoami")).to_be_visible()
    page.get_by_role("grid").press("ArrowDown")
    tool = page.locator("[data-row][aria-selected=true]").get_attribute("data-row")
    page.get_by_role("grid").press("Enter")

    expect(page).to_have_url(f"{reader.url}/servers/{server.name}/tools/{tool}")


@pytest.mark.thorough
def test_a_test_with_ones_values_says_how_far_it_came(reader: Reader, server: HttpServer) -> None:
    page = reader.go(f"/servers/{server.name}")
    expect(page.get_by_text("Pages of the company.")).to_be_visible()

    page.get_by_role("button", name="Test").click()
    expect(page.get_by_role("status").filter(has_text="Connected with your values")).to_contain_text("12 tools")
    server.kill()
    page.get_by_role("button", name="Test").click()

    expect(page.get_by_role("alert")).to_contain_text("No connection.")


def test_a_server_that_cannot_be_asked_for_its_tools_says_why(
    reader: Reader, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    gone = fresh_name("gone")
    serve({gone: {"type": "streamable-http", "url": GONE}})

    page = reader.go(f"/servers/{gone}?tab=tools")

    said = page.get_by_role("alert")
    expect(said).to_contain_text("The server could not be asked for its tools.")
    expect(said).to_contain_text(gone)
    expect(said.get_by_role("button", name="Retry")).to_be_visible()


def test_what_a_server_needs_is_listed_with_what_is_there(
    open_reader: MakeReader,
    make_user: Callable[[str], Person],
    serve: Callable[..., None],
    fresh_name: Callable[[str], str],
) -> None:
    name, person = fresh_name("needs"), make_user("ann")
    headers = {"X-A": "${USER_UI_HAS}", "X-B": "${USER_UI_HAS_NOT}"}
    serve({name: {"type": "streamable-http", "url": GONE, "headers": headers}})
    person.save(name, USER_UI_HAS="a-value-nobody-sees")
    page = open_reader(person).go(f"/servers/{name}?tab=settings")

    slots = page.get_by_role("listitem").filter(has_text="UI_HAS")
    expect(slots.nth(0)).to_contain_text("Set")
    expect(slots.nth(1)).to_contain_text("Missing")
    assert "a-value-nobody-sees" not in page.content()
    page.get_by_role("link", name="Enter values").click()

    expect(page).to_have_url(f"{page.url.split('/settings')[0]}/settings#{name}")
    expect(page.get_by_role("region", name=name)).to_be_visible()


@pytest.mark.thorough
def test_requests_of_a_server_are_the_readers_own(
    open_reader: MakeReader, make_user: Callable[[str], Person], server: HttpServer
) -> None:
    person, other = make_user("ann"), make_user("ben")
    own, strange = use(person, server.name, "echo", text="a"), use(other, server.name, "echo", text="b")
    page = open_reader(person).go(f"/servers/{server.name}?tab=requests")

    expect(page.get_by_text(own["requestId"])).to_be_visible()
    expect(page.get_by_text(strange["requestId"])).to_have_count(0)


def test_an_administrator_switches_a_server_off_and_on(
    admin: Admin, open_reader: MakeReader, make_user: Callable[[str], Person], server: HttpServer
) -> None:
    person = make_user("ann")
    page = open_reader(admin).go(f"/servers/{server.name}")

    page.get_by_role("switch", name="Server on").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Saved values are kept.")
    dialog.get_by_role("button", name="Switch off").click()
    expect(page.get_by_text(f"Switched off {server.name}")).to_be_visible()
    person.rest.post(f"/api/servers/{server.name}/tools/echo/try", expect=403)
    reader = open_reader(person)
    expect(row(reader.go("/servers"), server.name)).to_contain_text("Off by admin")
    page.get_by_role("button", name="Undo").click()

    expect(page.get_by_role("switch", name="Server on")).to_be_checked()
    assert use(person, server.name, "echo", text="again")["result"]["content"][0]["text"] == "again"
    expect(row(reader.page, server.name)).not_to_contain_text("Off by admin")  # by itself


def test_an_administrator_switches_a_tool_off_for_everybody(
    admin: Admin, open_reader: MakeReader, make_user: Callable[[str], Person], server: HttpServer
) -> None:
    person = make_user("ann")
    page = open_reader(admin).go(f"/servers/{server.name}?tab=tools")

    page.get_by_role("switch", name="echo on").click()

    expect(row(page, "echo")).to_contain_text("off")
    listed = person.rest.post(f"/api/servers/{server.name}/tools")["tools"]
    assert "echo" not in [tool["name"] for tool in listed]
    theirs = open_reader(person).go(f"/servers/{server.name}?tab=tools")
    expect(row(theirs, "whoami")).to_be_visible()
    expect(row(theirs, "echo")).to_have_count(0)
    expect(theirs.get_by_role("switch")).to_have_count(0)


@pytest.mark.thorough
def test_an_administrator_sees_whom_it_is_for_and_what_holds_it(
    admin: Admin, open_reader: MakeReader, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("held")
    entry = {"command": "python3", "args": [str(SERVERS / "over_stdio.py"), "--name", name]}
    secret = {"env": {"X_TOKEN": "literal-secret-value"}}
    serve({name: {**entry, **secret, "mcphub": {"audience": {"users": ["admin"], "teams": ["acme/core"]}}}})
    (upstream,) = [each for each in admin.rest.get("/api/admin/upstream-status") if each["server"] == name]
    page = open_reader(admin).go(f"/servers/{name}")

    expect(page.get_by_role("region", name="Who may see it")).to_contain_text("acme/core")
    sandbox = page.get_by_role("region", name="Sandbox")
    expect(sandbox).to_contain_text(upstream["sandbox"])
    for layer in upstream["sandboxLayers"]:
        expect(sandbox.get_by_text(layer, exact=True)).to_be_visible()
    for why in upstream["sandboxMissing"].values():
        expect(sandbox.get_by_text(why, exact=True).first).to_be_visible()
    page.get_by_role("button", name="Reconnect").click()
    expect(page.get_by_text("will be connected anew")).to_be_visible()
    assert "literal-secret-value" not in page.content()


def test_an_unknown_server_is_said_to_be_none(reader: Reader) -> None:
    page = reader.go("/servers/none-of-that-name")

    expect(page.get_by_role("alert")).to_contain_text("It is not there any more, or never was.")
