"""The door: signing in and out, the first administrator, an invitation, and who is not let in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.running import RunningHub
from tests.support.waiting import eventually
from tests.support.web import UiPage

PAGES = [
    UiPage("/login", who="nobody"),
    UiPage("/setup", path="/setup#a-token", who="nobody"),
    UiPage("/invite", path="/invite#a-token", who="nobody"),
    UiPage("/auth/error", path="/auth/error?code=user_pending", who="nobody"),
]
TEXTS = ("User name", "Password", "Sign in")
NEW = "a new long Password 1"


def test_a_local_user_signs_in_and_comes_to_the_page_they_wanted(
    open_reader: MakeReader, make_user: Callable[[str], Person]
) -> None:
    person, reader = make_user("ann"), open_reader()

    reader.go("/settings?q=jira")
    assert reader.path() == "/login?next=%2Fsettings%3Fq%3Djira"
    reader.sign_in_by_form(person, texts=TEXTS)

    expect(reader.heading("My settings")).to_be_visible()
    assert reader.path() == "/settings?q=jira"
    assert reader.complaints == []


def test_a_wrong_password_is_said_and_can_be_corrected(
    open_reader: MakeReader, make_user: Callable[[str], Person]
) -> None:
    person, reader = make_user("ann"), open_reader()
    page = reader.go("/login")

    page.get_by_label("User name").fill(person.username)
    page.get_by_label("Password").fill("not the password")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(person.password)
    page.keyboard.press("Enter")

    expect(reader.heading("Connect")).to_be_visible()


def test_whoever_signs_out_sees_nothing_of_before(open_reader: MakeReader, make_user: Callable[[str], Person]) -> None:
    reader = open_reader(make_user("ann"))
    page = reader.go("/connect")

    page.get_by_role("button", name="Account").click()
    page.get_by_role("menuitem", name="Sign out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.go_back()

    expect(page.get_by_label("Password")).to_be_visible()
    assert reader.context.request.get(f"{reader.url}/api/user/me").status == 401


@pytest.mark.thorough
def test_a_session_that_ended_elsewhere_leads_to_the_door_and_back(
    open_reader: MakeReader, make_user: Callable[[str], Person]
) -> None:
    person = make_user("ann")
    reader = open_reader(person)
    page = reader.go("/connect")

    person.rest.delete("/api/user/sessions")
    page.get_by_label("Name", exact=True).fill("notebook")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_label("Password")).to_be_visible()
    reader.sign_in_by_form(person, texts=TEXTS)

    expect(reader.heading("Connect")).to_be_visible()
    assert reader.path() == "/connect"


def test_somebody_locked_out_is_told_so_and_not_as_a_failure(
    admin: Admin, open_reader: MakeReader, make_user: Callable[[str], Person]
) -> None:
    person, reader = make_user("ann"), open_reader()
    admin.set_active(person, False)
    page = reader.go("/login")

    reader.sign_in_by_form(person, texts=TEXTS)

    expect(reader.heading("Your account is locked")).to_be_visible()
    assert reader.path() == "/auth/error?code=user_inactive"
    page.get_by_role("link", name="Sign in again").click()
    expect(page.get_by_label("Password")).to_be_visible()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("user_pending", "Waiting for an administrator"),
        ("state_invalid", "Signing in took longer than 10 minutes"),
        ("nobody_knows", "The provider did not answer"),
    ],
)
@pytest.mark.thorough
def test_who_was_turned_away_reads_why(open_reader: MakeReader, code: str, said: str) -> None:
    page = open_reader().go(f"/auth/error?code={code}")

    expect(page.get_by_text(said)).to_be_visible()


def test_an_invited_user_chooses_a_password_once(
    admin: Admin, open_reader: MakeReader, fresh_name: Callable[[str], str]
) -> None:
    made = admin.rest.post("/api/admin/users", {"username": fresh_name("invited")}, expect=201)
    link = made["invitationLink"].removeprefix(admin.url)
    reader = open_reader()
    page = reader.go(link)

    assert reader.path() == "/invite", "the token stays out of the history"
    page.get_by_label("Password", exact=True).fill(NEW)
    page.get_by_label("Password again").fill("another long Password")
    expect(page.get_by_text("The two passwords differ.")).to_be_visible()
    page.get_by_label("Password again").fill(NEW)
    page.get_by_role("button", name="Save and sign in").click()
    expect(reader.heading("Connect")).to_be_visible()

    second = open_reader()
    again = second.go(link)
    again.get_by_label("Password", exact=True).fill(NEW)
    again.get_by_label("Password again").fill(NEW)
    again.get_by_role("button", name="Save and sign in").click()
    expect(again.get_by_role("alert")).to_contain_text("This invitation was used, or is over.")


@pytest.mark.parametrize("path", ["/setup", "/invite"])
@pytest.mark.thorough
def test_a_link_without_its_end_says_what_is_missing(open_reader: MakeReader, path: str) -> None:
    page = open_reader().go(path)

    expect(page.get_by_text("The link is incomplete")).to_be_visible()
    expect(page.get_by_role("link", name="To the sign-in page")).to_be_visible()


@pytest.fixture(scope="module")
def fresh_hub(make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """Nobody has set it up."""
    running = RunningHub(make_home(), tmp_path_factory.mktemp("fresh"), env={"MCPHUB_ADMIN_PASSWORD": ""})
    try:
        yield running.start()
    finally:
        running.end()


def test_the_first_administrator_is_made_by_the_link_of_the_terminal(
    fresh_hub: RunningHub, open_reader: MakeReader
) -> None:
    eventually(lambda: "/setup#" in fresh_hub.said(), within=30, what="the set-up link is printed")
    link = next(word for word in fresh_hub.said().split() if "/setup#" in word).removeprefix(fresh_hub.url)
    first = open_reader(url=fresh_hub.url)
    expect(first.go("/login").get_by_text("This hub has no administrator yet.")).to_be_visible()

    page = first.go(link)
    page.get_by_label("User name").fill("ann")
    page.get_by_label("Password", exact=True).fill("ann ann ann")
    page.get_by_label("Password again").fill("ann ann ann")
    page.get_by_role("button", name="Make the account").click()
    assert page.get_by_label("Password", exact=True).evaluate("field => field.validity.tooShort")
    page.get_by_label("Password", exact=True).fill(NEW)
    page.get_by_label("Password again").fill(NEW)
    page.get_by_role("button", name="Make the account").click()

    expect(first.heading("Connect")).to_be_visible()
    assert first.path() == "/connect"
    second = open_reader(url=fresh_hub.url)
    used = second.go(link)
    used.get_by_label("User name").fill("bob")
    used.get_by_label("Password", exact=True).fill(NEW)
    used.get_by_label("Password again").fill(NEW)
    used.get_by_role("button", name="Make the account").click()
    expect(used.get_by_role("alert")).to_be_visible()
