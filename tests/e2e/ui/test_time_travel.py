"""Time travel: the playhead on the timeline, pages as they were under its amber line, the difference of two times."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.web import Reader, UiPage, faults, words_of_another_language

PAGES = [UiPage("/admin/diff", path="/admin/diff?from=1", who="auditor")]
THEN = ["/admin/users", "/user-groups", "/servers", "/admin/audiences", "/admin/config", "/admin/access"]
CHANGING = re.compile("create|add|save|delete|new group|invite", re.IGNORECASE)


@pytest.fixture
def person(make_user: Callable[[str], Person]) -> Person:
    return make_user("traveller")


@pytest.fixture
def watcher(open_reader: MakeReader, admin: Admin) -> Reader:
    """An administrator."""
    return open_reader(admin)


def now(admin: Admin) -> dict[str, Any]:
    found: dict[str, Any] = admin.rest.get("/api/audit/moment")
    return found


def line(page: Page) -> Locator:
    """The amber line."""
    return page.get_by_role("region", name="Time travel")


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


def test_the_playhead_hides_what_came_later_and_leads_back(watcher: Reader, admin: Admin, person: Person) -> None:
    person.group(f"early of {person.username}")
    then = now(admin)
    person.group(f"late of {person.username}")
    page = watcher.go(f"/admin/audit?q=user:{person.username} type:GroupCreated&at={then['position']}")

    expect(row(page, "created group early")).to_be_visible()
    expect(row(page, "created group late")).to_have_count(0)
    expect(line(page)).to_contain_text(f"State as of #{then['position']:,}")
    expect(line(page)).to_contain_text(re.compile(r"\d+ later events? hidden"))
    handle = page.get_by_role("slider", name="Time travel")
    expect(handle).to_have_attribute("aria-valuetext", re.compile(rf"#{then['position']:,} · \d{{4}}-\d\d-\d\d"))
    address = page.url
    page.reload()
    expect(row(page, "created group early")).to_be_visible()
    assert page.url == address

    page.get_by_role("button", name="Back to now").click()
    expect(row(page, "created group late")).to_be_visible()
    expect(line(page)).to_have_count(0)
    expect(handle).to_have_attribute("aria-valuetext", "Now")


@pytest.mark.thorough
def test_the_playhead_is_moved_by_keyboard_and_by_pointer(watcher: Reader) -> None:
    page = watcher.go("/admin/audit?span=1h")
    handle = page.get_by_role("slider", name="Time travel")

    handle.press("ArrowLeft")
    expect(page).to_have_url(re.compile("at="))
    first = said(handle)
    handle.press("PageDown")
    expect(handle).not_to_have_attribute("aria-valuetext", re.compile(re.escape(f"{first:%H:%M:%S}")))
    second = said(handle)
    assert second < first
    assert timedelta(minutes=4) < first - second < timedelta(minutes=6), "ten bins of an hour in 120"
    handle.press("Escape")
    expect(handle).to_have_attribute("aria-valuetext", "Now")
    expect(line(page)).to_have_count(0)

    box, plot = handle.bounding_box(), page.get_by_role("figure").locator("svg").bounding_box()
    assert box is not None
    assert plot is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(plot["x"] + plot["width"] / 2, plot["y"] + 10, steps=4)
    page.mouse.up()

    expect(line(page)).to_be_visible()
    assert abs(datetime.now() - said(handle).replace(tzinfo=None) - timedelta(minutes=30)) < timedelta(hours=15)
    assert "from=" not in page.url, "the stretch below was not drawn over"


def said(handle: Locator) -> datetime:
    """The time its text names, whatever the browser's zone."""
    expect(handle).to_have_attribute("aria-valuetext", re.compile(r"\d\d:\d\d:\d\d"))
    (time,) = re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", handle.get_attribute("aria-valuetext") or "")
    return datetime.fromisoformat(time)


@pytest.mark.thorough
def test_every_page_that_travels_shows_then_and_changes_nothing(
    open_reader: MakeReader, admin: Admin, person: Person, serve: Callable[..., None]
) -> None:
    serve({f"of-{person.username}": {"command": "npx", "args": ["-y", "x@1.0.0"]}})
    person.group(f"kept of {person.username}", f"of-{person.username}")
    position = now(admin)["position"]
    admin.rest.post(f"/api/servers/of-{person.username}/toggle", {"enabled": False})
    admin.set_active(person, False)

    for language, theme in (("en", "light"), ("ko", "dark")):
        watcher = open_reader(admin, language=language, theme=theme)
        for path in THEN:
            page = watcher.go(f"{path}?at={position}" + (f"&user={person.id}" if "access" in path else ""))
            watcher.settled()
            expect(page.get_by_role("status").filter(has_text=f"#{position:,}")).to_be_visible()
            if language == "en":
                buttons = page.get_by_role("main").get_by_role("button", name=CHANGING)
                expect(buttons).to_have_count(0)
            assert faults(page) == [], path
            assert words_of_another_language(page, language) == [], path
            assert watcher.complaints == [], path


def test_users_groups_servers_and_lists_are_those_of_then(
    watcher: Reader, admin: Admin, person: Person, serve: Callable[..., None]
) -> None:
    server = f"of-{person.username}"
    serve({server: {"command": "npx", "args": ["-y", "x@1.0.0"]}})
    person.group(f"kept of {person.username}", server)
    position = now(admin)["position"]
    admin.rest.post(f"/api/servers/{server}/toggle", {"enabled": False})
    admin.set_active(person, False)

    page = watcher.go(f"/admin/users?q={person.username}&at={position}")
    expect(row(page, person.username)).to_contain_text("Active")
    page.get_by_role("button", name="Back to now").click()
    expect(row(page, person.username)).to_contain_text("Locked")
    page = watcher.go(f"/user-groups?at={position}")
    page.get_by_role("searchbox").fill(f"kept of {person.username}")
    expect(row(page, f"kept of {person.username}")).to_contain_text(server)
    page = watcher.go(f"/servers?q={server}&at={position}")
    expect(row(page, server)).to_contain_text("On")
    page = watcher.go(f"/admin/access?user={person.id}&at={position}")
    expect(page.get_by_role("listitem").filter(has_text=server)).to_contain_text("Visible")
    page = watcher.go(f"/admin/config?at={position}")
    expect(page.get_by_role("main")).to_contain_text('"enabled": false')  # what differs from now


def test_a_user_sees_their_own_past(open_reader: MakeReader, admin: Admin, person: Person) -> None:
    other = admin.user(f"other-{person.username}")
    other.group(f"not of {person.username}")
    person.group(f"own of {person.username}")
    position = now(admin)["position"]

    page = open_reader(person).go(f"/user-groups?at={position}")

    expect(row(page, f"own of {person.username}")).to_be_visible()
    expect(row(page, f"not of {person.username}")).to_have_count(0)


def test_the_difference_of_two_times_is_read_thing_by_thing(watcher: Reader, admin: Admin, person: Person) -> None:
    before = now(admin)["position"]
    person.group(f"new of {person.username}")
    admin.set_admin(person.id, True)
    page = watcher.go(f"/admin/audit?at={before}")

    line(page).get_by_role("link", name="What changed since").click()
    expect(watcher.heading("What changed")).to_be_visible()
    changes = page.get_by_role("list", name="Changes").get_by_role("listitem")
    expect(changes.filter(has_text=f"new of {person.username}")).to_contain_text("new")
    mine = changes.filter(has_text=re.compile(f"changed.*User.*{person.username}"))
    expect(mine.get_by_role("row", name="isAdmin")).to_contain_text("true")
    page.get_by_role("button", name=re.compile("^Groups")).click()
    expect(mine).to_have_count(0)
    page.get_by_label("To", exact=True).fill(str(before))
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("Nothing differs between these two times")).to_be_visible()
    address = page.url
    page.reload()
    expect(page.get_by_label("To", exact=True)).to_have_value(str(before))
    assert page.url == address


@pytest.mark.thorough
def test_a_time_that_is_none_is_said_and_leads_back(watcher: Reader, admin: Admin) -> None:
    ahead = now(admin)["head"] + 100_000
    page = watcher.go(f"/admin/users?at={ahead}")
    expect(page.get_by_role("alert").first).to_contain_text("There is no such time")
    page.get_by_role("button", name="Back to now").click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("grid", name="Users")).to_be_visible()

    page = watcher.go("/admin/diff?from=yesterday")
    expect(page.get_by_role("alert")).to_contain_text("There is no such time")


def test_an_incident_is_followed_from_the_question_to_the_answer(
    watcher: Reader, admin: Admin, person: Person, serve: Callable[..., None]
) -> None:
    """Somebody used a server that is for administrators only. Since when could they, who let them, and what else?"""
    server = f"payroll-{person.username}"
    audience = f"/api/servers/{server}/audience"
    serve({server: {"command": "npx", "args": ["-y", "x@1.0.0"]}})
    admin.rest.put(audience, {"audience": {"users": ["admin"]}})
    admin.rest.put(audience, {"audience": "everyone"})
    opened = admin.rest.get(f"/api/audit?kind=fact&type=ServerAudienceChanged&server={server}&limit=1")[0]
    admin.set_admin(person.id, True)
    admin.set_admin(person.id, False)
    admin.rest.put(audience, {"audience": {"users": ["admin"]}})

    page = watcher.go(f"/admin/audit?q=server:{server}")
    expect(row(page, f"changed who may use {server}")).to_have_count(3)
    page.get_by_role("row").filter(has_text=str(opened["position"])).first.dblclick()
    expect(watcher.heading(f"Event #{opened['position']}")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("everyone")
    page.get_by_role("link", name="State at this event").click()
    expect(line(page)).to_contain_text(f"State as of #{opened['position']:,}")
    line(page).get_by_role("link", name="Audiences").click()
    expect(watcher.heading("Audiences")).to_be_visible()
    expect(row(page, server)).to_contain_text("Everyone")

    then, before = opened["position"], opened["position"] - 1
    asked = page.get_by_role("listitem").filter(has_text=server)
    page = watcher.go(f"/admin/access?user={person.id}&at={before}")
    expect(asked).to_contain_text("The server is not meant for the user")
    page = watcher.go(f"/admin/access?user={person.id}&at={then}")
    expect(asked).to_contain_text("Visible")
    page.get_by_role("button", name="Back to now").click()
    expect(asked).to_contain_text("The server is not meant for the user")
    page = watcher.go(f"/admin/diff?from={before}&to={then}")
    changes = page.get_by_role("list", name="Changes").get_by_role("listitem")
    expect(changes).to_have_count(1)
    expect(changes).to_contain_text(server)
    expect(changes.get_by_role("row", name="availableTo")).to_contain_text("everyone")

    found = [
        admin.rest.get(f"/api/audit/who-could?server={server}&at={at}&limit=200")["users"] for at in (before, then)
    ]
    assert [person.username in {user["username"] for user in users} for users in found] == [False, True]
