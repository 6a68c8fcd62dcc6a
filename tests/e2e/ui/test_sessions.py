"""Live sessions: clients as they come and go, what they have under way, and what the hub holds open for them."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.session_by_hand import Session
from tests.support.upstreams import HttpServer, Upstreams
from tests.support.waiting import eventually
from tests.support.web import UiPage

PAGES = [UiPage("/admin/sessions", who="admin")]


def session_of(admin: Admin, person: Person) -> dict[str, Any]:
    """The one session of somebody, as the hub says it."""
    (found,) = [each for each in admin.rest.get("/api/admin/session-stats") if each["userId"] == person.id]
    return dict(found)


def runtimes_of(admin: Admin, server: HttpServer) -> list[dict[str, Any]]:
    return [each for each in admin.rest.get("/api/admin/upstream-sessions") if each["server"] == server.name]


def row(page: Page, id_: str) -> Locator:
    return page.locator(f'[data-row="{id_}"]')


def figure(page: Page, name: str) -> Locator:
    return page.locator("dl > div").filter(has=page.locator(f"dt:text-is('{name}')")).locator("dd > span").first


def end_session(page: Page, person: Person) -> None:
    page.get_by_role("button", name=f"Actions for the session of {person.username}", exact=True).click()
    page.get_by_role("menuitem", name="End the session").click()


@pytest.fixture
def server(upstreams: Upstreams, serve: Callable[..., None], fresh_name: Callable[[str], str]) -> HttpServer:
    made = upstreams.http(fresh_name("desk"))
    serve({made.name: made.config()})
    return made


@pytest.fixture
def person(make_user: Callable[[str], Person]) -> Person:
    return make_user("ann")


@pytest.fixture
def connect(person: Person, server: HttpServer) -> Iterator[Callable[..., Session]]:
    opened: list[Session] = []

    def connect_(client: str = "Cursor") -> Session:
        opened.append(Session(person.url, person.key(), client=client, path=f"/mcp/{server.name}"))
        return opened[-1]

    yield connect_
    for session in opened:
        session.close()


@pytest.mark.thorough
def test_a_session_its_call_and_its_end_appear_by_themselves(
    open_reader: MakeReader, admin: Admin, person: Person, server: HttpServer, connect: Callable[..., Session]
) -> None:
    page = open_reader(admin).go("/admin/sessions")
    expect(figure(page, "Sessions")).to_have_text(re.compile(r"^\d+$"))

    session = connect()
    id_ = session_of(admin, person)["id"]
    shown = row(page, id_)
    for text in (person.username, "Cursor 2.1", "ide", "2025-06-18", f"/mcp/{server.name}"):
        expect(shown).to_contain_text(text)
    expect(figure(page, "Sessions")).to_have_text(str(len(admin.rest.get("/api/admin/session-stats"))))
    session.leave_running("sleep", ms=8000, nonce="n")
    expect(shown).to_contain_text("tools/call sleep")
    expect(shown).to_contain_text(re.compile(r"\d s|\d ms"))
    expect(figure(page, "In flight")).to_have_text("1")
    session.close()

    expect(shown).to_contain_text("ended")
    expect(shown).to_have_count(0)


def test_an_administrator_ends_a_session_and_the_client_has_to_begin_anew(
    open_reader: MakeReader, admin: Admin, person: Person, connect: Callable[..., Session]
) -> None:
    session = connect("Claude Code")
    id_ = session_of(admin, person)["id"]
    page = open_reader(admin).go(f"/admin/sessions?q={person.username}")
    expect(row(page, id_)).to_contain_text("Claude Code")

    end_session(page, person)
    expect(page.get_by_role("dialog")).to_contain_text("The key stays")
    page.get_by_role("dialog").get_by_role("button", name="End the session").click()

    expect(page.get_by_text(f"The session of {person.username} was ended")).to_be_visible()
    expect(row(page, id_)).to_contain_text("ended")
    assert session.send("tools/list").status_code == 404


@pytest.mark.thorough
def test_a_session_that_ended_meanwhile_is_said_in_the_question(
    open_reader: MakeReader, admin: Admin, person: Person, connect: Callable[..., Session]
) -> None:
    session = connect()
    page = open_reader(admin).go("/admin/sessions")
    end_session(page, person)
    session.close()
    eventually(
        lambda: all(each["userId"] != person.id for each in admin.rest.get("/api/admin/session-stats")),
        within=10,
        what="the session is over",
    )

    page.get_by_role("dialog").get_by_role("button", name="End the session").click()

    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()


@pytest.mark.thorough
def test_a_search_narrows_and_leads_to_the_requests_of_a_session(
    open_reader: MakeReader,
    admin: Admin,
    make_user: Callable[[str], Person],
    person: Person,
    connect: Callable[..., Session],
) -> None:
    other = make_user("ben")
    connect().call("echo", text="hi")
    foreign = Session(other.url, other.key())
    mine, theirs = session_of(admin, person)["id"], session_of(admin, other)["id"]
    page = open_reader(admin).go("/admin/sessions")
    expect(row(page, theirs)).to_be_visible()

    page.keyboard.press("/")
    page.keyboard.type(person.username)
    expect(row(page, theirs)).to_have_count(0)
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value(person.username)
    expect(row(page, mine)).to_be_visible()
    page.get_by_role("button", name=f"Actions for the session of {person.username}", exact=True).click()
    page.get_by_role("menuitem", name="Its requests").click()

    expect(page.get_by_role("searchbox")).to_have_value(f"session:{mine}")
    expect(page.get_by_role("grid").get_by_role("row").filter(has_text="echo")).to_have_count(1)
    foreign.close()


@pytest.mark.thorough
def test_connections_are_shown_with_who_they_are_for_and_ended(
    open_reader: MakeReader, admin: Admin, person: Person, server: HttpServer, connect: Callable[..., Session]
) -> None:
    connect().call("echo", text="hi")
    (runtime,) = runtimes_of(admin, server)
    page = open_reader(admin).go(f"/admin/sessions?tab=upstreams&q={server.name}")
    shown = row(page, runtime["id"])
    for text in (server.name, runtime["username"] or "shared by all users", runtime["kind"]):
        expect(shown).to_contain_text(text)
    expect(shown).not_to_contain_text("opened ahead")

    shown.get_by_role("button", name=re.compile("^End the connection")).click()
    page.get_by_role("dialog").get_by_role("button", name="End", exact=True).click()
    expect(page.get_by_text(f"A connection to {server.name} was ended")).to_be_visible()
    expect(shown).to_have_count(0)
    assert runtimes_of(admin, server) == []


@pytest.mark.thorough
def test_what_was_opened_ahead_says_so_and_what_a_process_wrote_can_be_read(
    open_reader: MakeReader,
    admin: Admin,
    person: Person,
    upstreams: Upstreams,
    serve: Callable[..., None],
    fresh_name: Callable[[str], str],
) -> None:
    name = fresh_name("proc")
    serve({name: upstreams.stdio(name)})
    first = Session(person.url, person.key(), path=f"/mcp/{name}")
    first.call("echo", text="hi")
    first.close()
    opened = [each for each in admin.rest.get("/api/admin/upstream-sessions") if each["server"] == name]
    for each in opened:
        admin.rest.delete(f"/api/admin/upstream-sessions/{name}/{each['id']}")
    eventually(lambda: person.requests(tool="echo", status="Completed"), within=20, what="the call is on the record")
    # At the common address: a server's own is asked for its greeting at once.
    second = Session(person.url, person.key())
    page = open_reader(admin).go(f"/admin/sessions?tab=upstreams&q={name}")

    shown = page.get_by_role("row").filter(has_text=name)
    expect(shown).to_contain_text("opened ahead")
    expect(shown).to_contain_text(person.username)
    shown.get_by_role("button", name=f"Last output of {name}").click()
    expect(page.get_by_role("dialog")).to_contain_text(f"Last output of {name}")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    second.close()


def test_the_page_is_for_administrators(open_reader: MakeReader, shared_people: dict[str, Person]) -> None:
    page = open_reader(shared_people["auditor"]).go("/admin/sessions")

    expect(page.get_by_text("This page is for administrators")).to_be_visible()
