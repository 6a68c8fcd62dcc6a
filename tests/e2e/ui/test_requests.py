"""The history of requests: figures that are those of real calls, filters that stand in the address, and one request."""

import csv
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.session_by_hand import Session
from tests.support.upstreams import HttpServer, Upstreams
from tests.support.waiting import eventually
from tests.support.web import UiPage, chosen, shows_again


def a_request(admin: Admin) -> str:
    if not admin.requests(method="tools/list"):
        session = Session(admin.url, admin.key("page-requests"))
        session.tools()
        session.close()
        settled(admin, 1, method="tools/list")
    return f"/admin/requests/{admin.requests(method='tools/list')[0]['id']}"


PAGES = [
    UiPage("/admin/requests", who="auditor"),
    UiPage("/admin/requests/$requestId", who="admin", state=a_request),
]


def settled(person: Person, count: int, **filters: Any) -> list[dict[str, Any]]:
    """The person's requests, once so many of them have ended and are on the record."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        found[:] = [row for row in person.requests(**filters) if row["endedAt"]]
        return len(found) >= count

    eventually(there, within=20, what=f"{count} requests are on the record")
    return found


def fail(session: Session, server: HttpServer) -> None:
    """A call of `whoami` to a server that is gone."""
    server.kill()
    assert session.call("whoami")["result"]["isError"]


def ms(value: float) -> str:
    return f"{int(value + 0.5)} ms"


def row(page: Page, id_: str) -> Locator:
    return page.locator(f'[data-row="{id_}"]')


def figure(page: Page, name: str) -> Locator:
    """A figure of the strip at the top, without its comparison."""
    return page.locator("dl > div").filter(has=page.locator(f"dt:text-is('{name}')")).locator("dd > span").first


@pytest.fixture
def server(upstreams: Upstreams, serve: Callable[..., None], fresh_name: Callable[[str], str]) -> HttpServer:
    made = upstreams.http(fresh_name("wiki"))
    serve({made.name: made.config()})
    return made


@pytest.fixture
def person(make_user: Callable[[str], Person]) -> Person:
    return make_user("ann")


@pytest.fixture
def session(person: Person, server: HttpServer) -> Iterator[Session]:
    made = Session(person.url, person.key(), path=f"/mcp/{server.name}")
    yield made
    made.close()


def test_figures_are_those_of_the_calls_that_were_made(
    open_reader: MakeReader, admin: Admin, person: Person, server: HttpServer, session: Session
) -> None:
    for _ in range(3):
        session.call("echo", text="hi")
    fail(session, server)
    settled(person, 4, method="tools/call")
    asked = {"all": "true", "user": person.id, "method": "tools/call"}
    (whole,) = admin.rest.get("/api/requests/stats", params=asked)
    tools = {each["tool"]: each for each in admin.rest.get("/api/requests/stats", params={**asked, "by": "tool"})}
    page = open_reader(admin).go(f"/admin/requests?q={quote(f'user:{person.username} method:tools/call')}&view=tool")

    expect(figure(page, "Requests")).to_have_text("4")
    expect(figure(page, "Errors")).to_have_text("25.0%")
    expect(figure(page, "Denied")).to_have_text("0")
    expect(figure(page, "Mean")).to_have_text(ms(whole["meanMs"]))
    for name in ("p50", "p95", "p99"):
        expect(figure(page, name)).to_have_text(ms(whole[f"{name}Ms"]))
    for tool, count, rate in (("echo", "3", "0.0%"), ("whoami", "1", "100.0%")):
        cells = row(page, f"null {server.name} {tool}").get_by_role("gridcell")
        expect(cells).to_have_text(
            [tool, server.name, count, rate, "–", "–"]
            + [ms(tools[tool][f"{name}Ms"]) for name in ("mean", "p50", "p95", "p99")]
        )
    bars = page.get_by_role("figure", name="Requests over time").locator("tbody td")
    eventually(lambda: sum(map(int, bars.all_inner_texts())) == 4, within=10, what="the plot shows four requests")


@pytest.mark.thorough
def test_a_user_is_a_group_and_a_press_on_their_name_narrows_to_them(
    open_reader: MakeReader, admin: Admin, person: Person, server: HttpServer, session: Session
) -> None:
    session.call("echo", text="hi")
    settled(person, 1, method="tools/call")
    reader = open_reader(admin)
    page = reader.go(f"/admin/requests?q={quote(f'server:{server.name} method:tools/call')}&view=user")

    group = row(page, f"{person.id} null null").get_by_role("gridcell")
    expect(group.nth(0)).to_have_text(person.username)
    expect(group.nth(1)).to_have_text("1")
    group.nth(0).get_by_role("button").click()

    (made,) = settled(person, 1, method="tools/call")
    expect(row(page, made["id"])).to_contain_text(person.username)
    assert f"user:{person.username}" in reader.page.evaluate("decodeURIComponent(location.search)")


@pytest.mark.thorough
def test_conditions_stand_in_the_address_and_come_back(
    open_reader: MakeReader, admin: Admin, person: Person, server: HttpServer, session: Session
) -> None:
    session.call("echo", text="hi")
    fail(session, server)
    rows = {each["tool"]: each["id"] for each in settled(person, 2, method="tools/call")}
    page = open_reader(admin).go(f"/admin/requests?q=user:{person.username}")
    expect(row(page, rows["echo"])).to_be_visible()

    page.keyboard.press("/")
    page.keyboard.type(" tool:whoami status:failed")
    page.keyboard.press("Enter")
    expect(row(page, rows["echo"])).to_have_count(0)
    expect(row(page, rows["whoami"])).to_contain_text("Failed")
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value(f"user:{person.username} tool:whoami status:failed")
    expect(row(page, rows["echo"])).to_have_count(0)
    expect(row(page, rows["whoami"])).to_be_visible()
    page.get_by_role("button", name="Remove the condition tool:whoami").click()
    page.get_by_role("button", name="Remove the condition status:failed").click()
    expect(row(page, rows["echo"])).to_be_visible()
    page.go_back()
    page.go_back()

    expect(row(page, rows["echo"])).to_have_count(0)


@pytest.mark.thorough
def test_reload_back_and_a_link_that_was_sent_show_what_was_chosen(
    open_reader: MakeReader, admin: Admin, person: Person, session: Session
) -> None:
    for text in ("one", "two"):
        session.call("echo", text=text)
    session.call("whoami")
    made = [each["id"] for each in settled(person, 3, method="tools/call") if each["tool"] == "echo"]
    reader = open_reader(admin)
    page = reader.go(f"/admin/requests?q={quote(f'user:{person.username} tool:echo')}")
    for name in ("1 h", "Compare", "Live"):
        page.get_by_role("button", name=name, exact=True).click()

    row(page, made[1]).click()
    expect(page.get_by_role("complementary", name="Request")).to_contain_text("echo")
    reader.settled()
    request = chosen(page)
    assert (request["rows"], request["row"]) == (made, made[1:])
    page.get_by_role("button", name="Tools", exact=True).click()
    page.get_by_role("columnheader", name="Calls").get_by_role("button").click()
    reader.settled()
    tools = chosen(page)
    assert {"1 h", "Compare", "Tools", "Calls"} <= set(tools["pressed"])

    page.reload()
    shows_again(page, tools)
    page.go_back()
    shows_again(page, request)
    page.go_forward()
    shows_again(page, tools)
    for was in (request, tools):
        shows_again(open_reader(admin).go(was["address"]), was)


def test_what_cannot_be_asked_is_named_and_nothing_found_says_what_to_do(
    open_reader: MakeReader, admin: Admin, fresh_name: Callable[[str], str]
) -> None:
    nobody = fresh_name("nobody")
    page = open_reader(admin).go(f"/admin/requests?q={quote(f'user:{nobody} color:red')}")

    expect(page.get_by_role("status").filter(has_text="Not used")).to_contain_text("color:red")
    expect(page.get_by_text("No request fits these conditions")).to_be_visible()
    page.get_by_role("button", name="Look at 7 days").click()
    expect(page).to_have_url(re.compile("span=7d"))
    page.get_by_role("button", name="Remove all conditions").click()
    expect(page.get_by_role("searchbox")).to_have_value("")


@pytest.mark.thorough
def test_a_new_request_appears_by_itself_unless_the_page_is_paused(
    open_reader: MakeReader, admin: Admin, person: Person, session: Session
) -> None:
    page = open_reader(admin).go(f"/admin/requests?q={quote(f'user:{person.username} tool:echo')}")
    expect(page.get_by_text("No request fits these conditions")).to_be_visible()

    session.call("echo", text="hi")
    (first,) = settled(person, 1, tool="echo")
    expect(row(page, first["id"])).to_be_visible()
    expect(figure(page, "Requests")).to_have_text("1")
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Paused")).to_be_visible()
    expect(page).to_have_url(re.compile("live=off"))
    session.call("echo", text="again")
    second, _ = settled(person, 2, tool="echo")
    expect(row(page, second["id"])).to_have_count(0)
    page.keyboard.press("l")

    expect(row(page, second["id"])).to_be_visible()


def test_a_list_says_what_it_showed_and_what_it_left_out_and_why(
    open_reader: MakeReader, admin: Admin, person: Person, server: HttpServer
) -> None:
    session = Session(person.url, person.key(), path=f"/mcp/{server.name}")
    whole = len(session.tools())
    admin.rest.post(f"/api/servers/{server.name}/tools/echo/toggle", {"enabled": False})
    assert len(session.tools()) == whole - 1
    session.close()
    listed, _ = settled(person, 2, method="tools/list")
    page = open_reader(admin).go(f"/admin/requests?q={quote(f'user:{person.username} method:tools/list')}")

    expect(row(page, listed["id"])).to_contain_text(f"{whole - 1} shown · 1 left out")
    row(page, listed["id"]).click()
    detail = page.get_by_role("complementary", name="Request")
    expect(detail.get_by_role("region", name="Left out of the list").get_by_role("row")).to_have_text(
        ["Entriestool switched off1"]
    )
    expect(detail).to_contain_text(listed["requestId"])
    assert listed["id"] in page.url
    page.keyboard.press("Escape")
    expect(detail).to_have_count(0)
    assert listed["id"] not in page.url


def test_one_request_has_a_page_that_either_form_of_its_id_leads_to(
    open_reader: MakeReader, admin: Admin, person: Person, session: Session
) -> None:
    session.call("sleep", ms=120, nonce="n")
    (made,) = settled(person, 1, tool="sleep")
    reader = open_reader(admin)
    page = reader.go(f"/admin/requests?q=user:{person.username}")
    row(page, made["id"]).click()
    page.get_by_role("grid").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{reader.url}/admin/requests/{made['id']}")

    reader.go(f"/admin/requests/{quote(made['requestId'], safe='')}")
    shown = page.get_by_role("main")
    for text in ("sleep", "Done", "tools/call", person.username, "Cursor 2.1", ms(made["durationMs"])):
        expect(shown).to_contain_text(text)
    expect(shown.get_by_role("region", name="Where the time went")).to_contain_text(f"Server{ms(made['upstreamMs'])}")
    expect(shown).to_contain_text(f"position #{made['ledgerPosition']:,}")
    page.get_by_role("link", name="All requests of this session").click()
    expect(row(page, made["id"])).to_be_visible()
    expect(page.get_by_role("searchbox")).to_have_value(f"session:{made['sessionId']}")
    reader.go("/admin/requests/00000000-0000-7000-8000-000000000000")
    expect(page.get_by_text("There is no such request")).to_be_visible()


@pytest.mark.thorough
def test_a_stretch_of_the_plot_is_looked_at_alone_and_left_again(
    open_reader: MakeReader, admin: Admin, person: Person, session: Session
) -> None:
    session.call("echo", text="hi")
    settled(person, 1, tool="echo")
    page = open_reader(admin).go(f"/admin/requests?q=user:{person.username}&span=15m")
    plot = page.get_by_role("figure", name="Answer times").locator(".u-over")
    box = plot.bounding_box()
    assert box is not None

    page.mouse.move(box["x"] + 20, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + 220, box["y"] + 40, steps=4)
    page.mouse.up()

    expect(page).to_have_url(re.compile("from=.*to="))
    expect(page.get_by_text("No request fits these conditions")).to_be_visible()
    page.get_by_role("button", name="Back to now").click()
    expect(figure(page, "Requests")).not_to_have_text("0")


@pytest.mark.thorough
def test_a_period_is_compared_with_the_one_before(
    open_reader: MakeReader, admin: Admin, person: Person, session: Session
) -> None:
    begun = datetime.now(UTC)
    for _ in range(2):
        session.call("echo", text="hi")
    settled(person, 2, tool="echo")
    between = datetime.now(UTC)
    for _ in range(4):
        session.call("echo", text="hi")
    settled(person, 6, tool="echo")
    long = max(datetime.now(UTC) - between, between - begun)
    span = f"from={quote(between.isoformat())}&to={quote((between + long).isoformat())}"
    page = open_reader(admin).go(f"/admin/requests?q={quote(f'user:{person.username} tool:echo')}&{span}")
    expect(figure(page, "Requests")).to_have_text("4")

    page.get_by_role("button", name="Compare").click()

    grew = page.locator("dl > div").filter(has=page.locator("dt:text-is('Requests')"))
    expect(grew).to_contain_text("+100.0%")
    expect(page.get_by_role("figure", name="Answer times")).to_contain_text("p95 before")


def test_rows_are_saved_as_a_sheet_and_as_lines_of_json(
    open_reader: MakeReader, admin: Admin, person: Person, server: HttpServer, session: Session, tmp_path: Path
) -> None:
    session.call("echo", text="hi")
    fail(session, server)
    rows = settled(person, 2, method="tools/call")
    page = open_reader(admin).go(f"/admin/requests?q={quote(f'user:{person.username} method:tools/call')}")
    expect(row(page, rows[0]["id"])).to_be_visible()

    def saved(name: str) -> str:
        page.get_by_role("button", name="Export").click()
        with page.expect_download() as download:
            page.get_by_role("menuitem", name=name).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        return path.read_text(encoding="utf-8")

    sheet = list(csv.DictReader(StringIO(saved("Rows as CSV"))))
    lines = [json.loads(line) for line in saved("Rows as NDJSON").splitlines()]

    assert [each["requestId"] for each in sheet] == [each["requestId"] for each in rows]
    assert [(each["tool"], each["status"]) for each in sheet] == [("whoami", "Failed"), ("echo", "Completed")]
    assert lines == rows


@pytest.mark.thorough
def test_an_auditor_reads_everybodys_until_they_are_none_any_more(
    open_reader: MakeReader, admin: Admin, make_user: Callable[[str], Person], person: Person, session: Session
) -> None:
    session.call("echo", text="hi")
    (made,) = settled(person, 1, tool="echo")
    auditor = make_user("rita")
    admin.rest.put(f"/api/admin/users/{auditor.id}/auditor", {"isAuditor": True})
    page = open_reader(auditor).go(f"/admin/requests?q=user:{person.username}")
    expect(row(page, made["id"])).to_be_visible()

    admin.rest.put(f"/api/admin/users/{auditor.id}/auditor", {"isAuditor": False})
    expect(page.get_by_text("Last known state").first).to_be_visible()
    expect(row(page, made["id"])).to_be_visible()
    page.reload()

    expect(page.get_by_text("This page is for administrators and auditors")).to_be_visible()
