"""A trace: the request, its command and events, and what a client's call spent its time on."""

from collections.abc import Callable
from urllib.parse import quote

from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.session_by_hand import Session
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually
from tests.support.web import UiPage


def newest_trace(admin: Admin) -> str:
    return str(admin.rest.get("/api/audit?kind=fact&actor=admin&limit=1")[0]["trace"])


PAGES = [
    UiPage(
        "/admin/traces/$correlationId",
        who="auditor",
        state=lambda admin: f"/admin/traces/{newest_trace(admin)}",
    )
]


def lines(page: Page) -> list[str]:
    return [text.partition("\t")[0] for text in page.locator("tbody tr th").all_inner_texts()]


def test_a_change_leads_from_its_event_to_the_request_and_all_that_came_of_it(
    open_reader: MakeReader, admin: Admin
) -> None:
    person = admin.user("traced")
    admin.set_admin(person.id, True)
    (fact,) = admin.rest.get(f"/api/audit?type=AdminGranted&user={person.username}")
    admin.set_admin(person.id, False)
    page = open_reader(admin).go(f"/admin/audit/{fact['position']}")

    page.get_by_role("link", name=fact["trace"]).click()

    expect(page.get_by_role("heading", name="Trace", exact=True)).to_be_visible()
    event = page.get_by_role("link", name=f"AdminGranted #{fact['position']:,}")
    expect(event).to_have_attribute("href", f"/admin/audit/{fact['position']}")
    assert [line.split(" ")[0] for line in lines(page)] == ["Request", "Command", "AdminGranted"]
    expect(page.get_by_role("row").filter(has_text="SetAdmin")).to_have_count(1)
    page.get_by_role("link", name="In the timeline").click()
    expect(page.get_by_role("row").filter(has_text=f"made {person.username} an admin")).to_be_visible()


def test_a_trace_there_is_none_of_is_said(open_reader: MakeReader, admin: Admin) -> None:
    page = open_reader(admin).go(f"/admin/traces/{quote('user-a-b-tools/call-1-2', safe='')}")

    expect(page.get_by_text("There is no such trace")).to_be_visible()


def test_a_clients_request_leads_to_where_its_time_went(
    open_reader: MakeReader,
    admin: Admin,
    make_user: Callable[[str], Person],
    upstreams: Upstreams,
    serve: Callable[..., None],
    fresh_name: Callable[[str], str],
) -> None:
    server = upstreams.http(fresh_name("traced"))
    serve({server.name: server.config()})
    person = make_user("ann")
    session = Session(person.url, person.key("ide"), path=f"/mcp/{server.name}")
    session.call("echo", text="x")
    session.close()
    eventually(
        lambda: [row for row in person.requests(method="tools/call") if row["endedAt"]], within=20, what="its row"
    )
    (call,) = person.requests(method="tools/call")
    page = open_reader(admin).go(f"/admin/requests/{call['id']}")

    page.get_by_role("link", name="Trace", exact=True).click()

    expect(page.get_by_role("heading", name="Trace", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="tools/call")).to_have_attribute("href", f"/admin/requests/{call['id']}")
    expect(page.get_by_role("row").filter(has_text="The server answered")).to_be_visible()
