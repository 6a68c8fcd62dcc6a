"""One's own profile: how the hub looks, what clients list, where one is signed in, and the password."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.by_hand import listed
from tests.support.rest import Person, log_in
from tests.support.upstreams import Upstreams
from tests.support.web import UiPage

PAGES = [UiPage("/settings/profile")]


def card(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


@pytest.mark.thorough
def test_what_is_chosen_for_the_screen_counts_at_once_and_in_the_next_browser(
    open_reader: MakeReader, make_user: Callable[[str], Person]
) -> None:
    person = make_user("ann")
    page = open_reader(person).go("/settings/profile")
    display = card(page, "Display")

    display.get_by_role("button", name="Compact").click()
    expect(page.locator("html")).to_have_attribute("data-density", "compact")
    display.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    zone = display.get_by_label("Time zone", exact=True)
    zone.click()
    zone.fill("Reykjavik")
    page.get_by_role("option", name="Atlantic/Reykjavik").click()
    with page.expect_response(lambda answer: answer.request.method == "PATCH" and answer.ok):
        display.get_by_role("button", name="한국어").click()
    expect(page.get_by_role("heading", name="프로필", exact=True)).to_be_visible()

    elsewhere = open_reader(person).go("/settings/profile")
    expect(elsewhere.get_by_role("heading", name="프로필", exact=True)).to_be_visible()
    expect(elsewhere.locator("html")).to_have_attribute("data-density", "compact")
    expect(elsewhere.get_by_label("시간대", exact=True)).to_have_value("Atlantic/Reykjavik")
    me = person.rest.get("/api/user/me")
    chosen = (me["language"], me["theme"], me["density"], me["timeZone"])
    assert chosen == ("ko", "dark", "compact", "Atlantic/Reykjavik")


@pytest.mark.thorough
def test_what_clients_list_is_chosen_with_its_result_before_the_eyes(
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
    page = open_reader(person).go("/settings/profile")
    lists = card(page, "What clients list")

    expect(lists).to_contain_text("Your clients list 12 tools now.")
    expect(lists.get_by_role("radio", name="Automatic")).to_be_checked()
    expect(lists.locator("label").locator("[data-count]")).to_have_text(["lists 12", "lists 12", "lists 1", "lists 4"])
    expect(lists.get_by_role("radio", name="Search lists 4")).to_be_visible()
    lists.get_by_role("radio", name="One tool for each server").check()

    expect(lists).to_contain_text("Your clients list 1 tool now.")
    assert listed(person.url, person.key()) == [f"server_{git}"]
    lists.get_by_role("switch", name="List hub_why").click()
    expect(page.get_by_text("hub_why is listed")).to_be_visible()
    assert sorted(listed(person.url, person.key())) == ["hub_why", f"server_{git}"]
    page.get_by_role("button", name="Undo").first.click()
    expect(lists.get_by_role("switch", name="List hub_why")).not_to_be_checked()


@pytest.mark.thorough
def test_sessions_elsewhere_are_ended_one_by_one_and_all_at_once(
    open_reader: MakeReader, make_user: Callable[[str], Person]
) -> None:
    person = make_user("ann")
    script = log_in(person.url, person.username, person.password)
    other, here = open_reader(person), open_reader(person)
    other.go("/settings/profile")
    page = here.go("/settings/profile")
    rows = card(page, "Signed in").get_by_role("row")
    expect(rows).to_have_count(1 + 4)  # the head; two scripts, two browsers
    expect(rows.nth(1)).to_contain_text("this browser")

    rows.filter(has_text="Script").first.get_by_role("button", name="End the session of python-httpx").click()
    expect(rows).to_have_count(1 + 3)
    card(page, "Signed in").get_by_role("button", name="End all others").click()
    expect(page.get_by_role("dialog")).to_contain_text("2 are signed out at once.")
    page.get_by_role("dialog").get_by_role("button", name="End all others").click()

    expect(rows).to_have_count(1 + 1)
    expect(card(page, "Signed in").get_by_role("button", name="End all others")).to_be_disabled()
    assert script.send("GET", "/api/user/me").status_code == 401
    other.page.reload()
    other.page.wait_for_url("**/login**")


def test_a_password_is_changed_after_the_current_one_was_typed_right(
    open_reader: MakeReader, make_user: Callable[[str], Person]
) -> None:
    person = make_user("ann")
    new = "Another-Pass-word-2"
    page = open_reader(person).go("/settings/profile")
    form = card(page, "Change password")
    change = form.get_by_role("button", name="Change")
    expect(change).to_be_disabled()

    form.get_by_label("Current password", exact=True).fill("not it at all")
    form.get_by_label("New password", exact=True).fill(new)
    form.get_by_label("New password again", exact=True).fill(new + "x")
    expect(form.get_by_text("The two are not the same.")).to_be_visible()
    form.get_by_label("New password again", exact=True).fill(new)
    change.click()
    expect(form.get_by_text("The current password is wrong.")).to_be_visible()
    form.get_by_label("Current password", exact=True).fill(person.password)
    change.click()

    expect(page.get_by_text("The password was changed")).to_be_visible()
    expect(form.get_by_label("New password", exact=True)).to_have_value("")
    page.reload()
    expect(page.get_by_role("heading", name="Profile", exact=True)).to_be_visible()
    for password, status in ((person.password, 401), (new, 200)):
        answer = httpx.post(
            f"{person.url}/api/auth/login",
            json={"username": person.username, "password": password},
            trust_env=False,
        )
        assert answer.status_code == status
