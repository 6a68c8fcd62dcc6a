"""The overview: figures that follow what happens, each leading to what is behind it."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.session_by_hand import Session
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually
from tests.support.web import UiPage

PAGES = [UiPage("/admin", who="admin")]


def figure(page: Page, name: str) -> Locator:
    return page.locator(f"[data-figure={name}]")


def number(page: Page, name: str) -> int:
    """The figure's number, once it is known."""
    value = figure(page, name).locator("span > span").first
    expect(value).not_to_have_text("–")
    return int(value.inner_text().replace(",", "").removesuffix("+"))


def shows(page: Page, name: str, text: str) -> None:
    expect(figure(page, name).locator("span > span").first).to_have_text(text)


@pytest.mark.thorough
def test_figures_follow_calls_sessions_and_servers(
    open_reader: MakeReader,
    admin: Admin,
    make_user: Callable[[str], Person],
    upstreams: Upstreams,
    serve: Callable[..., None],
    fresh_name: Callable[[str], str],
) -> None:
    server, person = upstreams.http(fresh_name("wiki")), make_user("ann")
    serve({server.name: server.config()})
    page = open_reader(admin).go("/admin?span=1h")
    before = {name: number(page, name) for name in ("sessions", "in-flight", "calls", "servers")}
    assert before["servers"] == len(admin.settings()[0]["mcpServers"])

    session = Session(person.url, person.key(), path=f"/mcp/{server.name}")
    session.tools()
    session.call("echo", text="hi")
    server.kill()
    assert session.call("whoami")["result"]["isError"]
    eventually(lambda: len([row for row in person.requests() if row["endedAt"]]) >= 4, within=20, what="calls ended")
    made = len(person.requests())

    shows(page, "calls", f"{before['calls'] + made:,}")
    shows(page, "sessions", f"{before['sessions'] + 1:,}")
    shows(page, "in-flight", f"{before['in-flight']:,}")
    (whole,) = admin.rest.get("/api/requests/stats", params={"all": "true", **last_hour(page)})
    expect(figure(page, "errors")).to_contain_text(f"{whole['errors']} failed")
    shows(page, "errors", f"{whole['errorRate']:.1%}")
    bars = page.get_by_role("figure", name="Requests over time").locator("tbody td")
    assert sum(int(bar.inner_text().replace(",", "")) for bar in bars.all()) == before["calls"] + made
    session.close()
    shows(page, "sessions", f"{before['sessions']:,}")


def last_hour(page: Page) -> dict[str, str]:
    since = page.evaluate("new Date(Math.floor((Date.now() - 3600e3) / 30e3) * 30e3).toISOString()")
    return {"from": since}


@pytest.mark.thorough
def test_a_figure_leads_to_what_is_behind_it(open_reader: MakeReader, admin: Admin) -> None:
    reader = open_reader(admin)
    page = reader.go("/admin")

    for name, path, query in (
        ("sessions", "/admin/sessions", {}),
        ("in-flight", "/admin/requests", {"q": ["status:Pending"], "span": ["24h"]}),
        ("errors", "/admin/requests", {"span": ["24h"], "view": ["server"]}),
        ("users", "/admin/users", {"view": ["pending"]}),
        ("tools", "/admin/tool-changes", {}),
    ):
        figure(page, name).click()
        page.wait_for_url(f"**{path}*")
        assert parse_qs(urlsplit(page.url).query) == query, name
        page.go_back()
        expect(reader.heading("Overview")).to_be_visible()


@pytest.mark.thorough
def test_a_change_of_rights_appears_by_itself_and_leads_to_its_event(
    open_reader: MakeReader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    person, reader = make_user("bob"), open_reader(admin)
    page = reader.go("/admin")

    admin.set_admin(person.id, True)

    page.get_by_role("link", name=f"made {person.username} an admin").click()
    (event,) = [one for one in admin.audit(user=person.id, type="AdminGranted") if one["type"] == "AdminGranted"]
    page.wait_for_url(f"**/admin/audit/{event['position']}*")
    admin.set_admin(person.id, False)


@pytest.mark.thorough
def test_whoever_is_no_administrator_is_told_so(open_reader: MakeReader, make_user: Callable[[str], Person]) -> None:
    page = open_reader(make_user("ann")).go("/admin")

    expect(page.get_by_text("This page is for administrators")).to_be_visible()
