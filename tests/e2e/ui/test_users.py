"""Users: counts and filters, letting in and locking out, roles, invitations, deleting and erasing, and one user."""

import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.upstreams import Upstreams
from tests.support.web import Reader, UiPage

SECRET = "a-value-nobody-is-shown-7Q0c"  # scan:allow


def one_user(admin: Admin) -> str:
    """The first user who is no administrator; there is one whenever pages are tried."""
    found = admin.rest.get("/api/admin/users?role=user&limit=1")
    return f"/admin/users/{found[0]['id']}"


PAGES = [
    UiPage("/admin/users", who="admin"),
    UiPage("/admin/users/$userId", who="admin", state=one_user),
]


@pytest.fixture
def reader(open_reader: MakeReader, admin: Admin) -> Reader:
    return open_reader(admin)


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))


def act(page: Page, name: str, what: str) -> None:
    page.get_by_role("button", name=f"Actions for {name}", exact=True).click()
    page.get_by_role("menuitem", name=what).click()


def search(page: Page, text: str) -> None:
    page.get_by_role("searchbox").fill(text)


def test_counts_and_rows_are_those_of_the_hub(reader: Reader, admin: Admin, make_user: Callable[[str], Person]) -> None:
    locked, plain = make_user("locked"), make_user("plain")
    plain.key("one"), plain.key("two")
    admin.set_active(locked, False)
    counts: dict[str, int] = admin.rest.send("GET", "/api/admin/users").json()["counts"]
    page = reader.go("/admin/users")

    for view, name in {"All": "total", "Locked": "inactive", "Administrators": "admins", "Deleted": "deleted"}.items():
        expect(page.get_by_role("button", name=f"{view} {counts[name]:,}", exact=True)).to_be_visible()
    search(page, plain.username)
    expect(page.get_by_role("row")).to_have_count(2)
    cells = row(page, plain.username).get_by_role("gridcell")
    assert [cells.nth(at).inner_text() for at in (2, 3, 5, 6)] == ["Active", "Member", "2", "0"]


@pytest.mark.thorough
def test_who_has_a_picture_that_is_not_to_be_had_is_shown_by_a_letter(
    reader: Reader, make_user: Callable[[str], Person]
) -> None:
    elsewhere, gone = make_user("elsewhere"), make_user("gone")
    pictures = {elsewhere.id: "https://ghe.example/a.png", gone.id: "https://avatars.githubusercontent.com/u/1"}

    def with_pictures(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        for user in body["data"]:
            user["avatarUrl"] = pictures.get(user["id"])
        route.fulfill(response=answer, json=body)

    reader.page.route("**/api/admin/users?*", with_pictures)
    reader.page.route("https://avatars.githubusercontent.com/**", lambda route: route.fulfill(body=b"no picture"))
    page = reader.go("/admin/users")

    for person, letter in ((elsewhere, "e"), (gone, "g")):
        cell = row(page, person.username).get_by_role("gridcell").filter(has_text=person.username)
        expect(cell.get_by_text(letter, exact=True)).to_be_visible()
        expect(cell.locator("img")).to_have_count(0)


@pytest.mark.thorough
def test_filters_and_the_chosen_row_stand_in_the_address(
    reader: Reader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    locked, active = make_user("zoe-locked"), make_user("zoe-active")
    admin.set_active(locked, False)
    page = reader.go("/admin/users")

    page.keyboard.press("/")
    page.keyboard.type("zoe-")
    expect(row(page, active.username)).to_be_visible()
    page.get_by_role("button", name=re.compile(r"^Locked [\d,]+$")).click()
    expect(row(page, active.username)).to_have_count(0)
    page.get_by_role("grid").focus()
    page.keyboard.press("j")
    expect(row(page, locked.username)).to_have_attribute("aria-selected", "true")
    page.reload()

    expect(page.get_by_role("searchbox")).to_have_value("zoe-")
    expect(row(page, locked.username)).to_have_attribute("aria-selected", "true")
    page.get_by_role("grid").focus()
    page.keyboard.press("Enter")
    expect(reader.heading(locked.username)).to_be_visible()
    page.go_back()
    expect(row(page, locked.username)).to_be_visible()
    page.go_back()
    expect(row(page, active.username)).to_be_visible()


@pytest.mark.thorough
def test_locking_out_says_what_ends_and_can_be_undone(
    reader: Reader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    bob = make_user("bob")
    bob.key("one"), bob.key("two")
    page = reader.go(f"/admin/users?q={bob.username}")

    act(page, bob.username, "Lock out")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Working keys blocked at once: 2. Open sessions that end: 1.")
    dialog.get_by_label("Reason").fill("left the company")
    dialog.get_by_role("button", name="Lock out").click()

    expect(row(page, bob.username)).to_contain_text("Locked")
    bob.rest.get("/api/user/me", expect=(401, 403))
    facts = admin.audit(user=bob.id, kind="fact")
    assert any("left the company" in str(fact) for fact in facts)
    page.get_by_role("button", name="Undo").click()
    expect(row(page, bob.username)).to_contain_text("Active")


def test_roles_are_given_and_taken(reader: Reader, admin: Admin, make_user: Callable[[str], Person]) -> None:
    bob = make_user("bob")
    page = reader.go(f"/admin/users?q={bob.username}")

    act(page, bob.username, "Make an administrator")
    expect(row(page, bob.username)).to_contain_text("Administrator")
    assert bob.rest.get("/api/user/me")["isAdmin"]
    page.get_by_role("button", name=f"Actions for {bob.username}", exact=True).click()
    blocked = page.get_by_role("menuitem", name="Lock out")
    expect(blocked).to_be_disabled()
    expect(blocked).to_contain_text("The user is an administrator. Take the role away first.")
    page.get_by_role("menuitem", name="Take administrator rights away").click()
    expect(row(page, bob.username)).to_contain_text("Member")
    act(page, bob.username, "Make an auditor")

    expect(row(page, bob.username)).to_contain_text("Auditor")
    assert bob.rest.get("/api/user/me")["isAuditor"]


def test_nobody_can_lock_out_or_delete_themselves_here(reader: Reader, admin: Admin) -> None:
    page = reader.go("/admin/users?view=admin&q=admin")

    page.get_by_role("button", name="Actions for admin", exact=True).click()

    expect(page.get_by_role("menuitem", name="Lock out")).to_contain_text("Nobody locks out themselves.")
    expect(page.get_by_role("menuitem", name="Delete")).to_contain_text("Nobody deletes themselves.")
    expect(page.get_by_role("menuitem", name="Delete")).to_be_disabled()


def test_what_the_hub_refuses_is_said_in_the_dialog(
    reader: Reader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    """Somebody was made an administrator after the page was loaded: the page did not know, the hub does."""
    bob = make_user("bob")
    page = reader.go(f"/admin/users?q={bob.username}")
    act(page, bob.username, "Delete")
    admin.set_admin(bob.id, True)

    page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    alert = page.get_by_role("dialog").get_by_role("alert")
    expect(alert).to_have_text("The user is an administrator. Take the role away first.")
    admin.set_admin(bob.id, False)


def test_a_new_user_gets_a_link_that_is_shown_once(
    reader: Reader, admin: Admin, open_reader: MakeReader, fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("invited")
    page = reader.go("/admin/users")

    page.get_by_role("button", name="New user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("User name").fill("admin")
    dialog.get_by_role("button", name="New user").click()
    expect(dialog.get_by_text("A user of that name exists.")).to_be_visible()
    dialog.get_by_label("User name").fill(name)
    dialog.get_by_label("Display name").fill("Ivy Invited")
    dialog.get_by_role("button", name="New user").click()
    link = dialog.get_by_role("status", name="Invitation link").inner_text()
    assert link.startswith(f"{reader.url}/invite#")
    dialog.get_by_role("button", name="Close").click()
    search(page, name)
    expect(row(page, name)).to_contain_text("Ivy Invited")
    assert link.partition("#")[2] not in page.content()

    invited = open_reader()
    other = invited.go(link.removeprefix(reader.url))
    other.get_by_label("Password", exact=True).fill("a new long Password 1")
    other.get_by_label("Password again").fill("a new long Password 1")
    other.get_by_role("button", name="Save and sign in").click()
    expect(invited.heading("Connect")).to_be_visible()


@pytest.mark.thorough
def test_who_has_no_password_yet_is_invited_anew(
    reader: Reader, admin: Admin, fresh_name: Callable[[str], str]
) -> None:
    made = admin.rest.post("/api/admin/users", {"username": fresh_name("slow")}, expect=201)
    name = made["user"]["username"]
    page = reader.go(f"/admin/users/{made['user']['id']}")
    expect(page.get_by_text("This user has not chosen a password yet.")).to_be_visible()

    act(page, name, "New invitation link")
    page.get_by_role("dialog").get_by_role("button", name="New invitation link").click()

    link = page.get_by_role("status", name="Invitation link").inner_text()
    assert link.startswith(f"{reader.url}/invite#")
    assert link != made["invitationLink"]


@pytest.mark.thorough
def test_a_deleted_user_is_restored_locked_and_without_keys(
    reader: Reader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    bob = make_user("bob")
    bob.key("one")
    page = reader.go(f"/admin/users?q={bob.username}")

    act(page, bob.username, "Delete")
    expect(page.get_by_role("dialog")).to_contain_text("Keys revoked for good: 1.")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No user fits these filters")).to_be_visible()
    page.get_by_role("button", name="Undo").click()

    expect(row(page, bob.username)).to_contain_text("Locked")
    expect(row(page, bob.username).get_by_role("gridcell").nth(5)).to_have_text("0")
    assert admin.rest.get(f"/api/admin/users/{bob.id}")["keys"][0]["state"] == "revoked"


def test_erasing_is_only_offered_for_the_deleted_and_repeats_the_name(
    reader: Reader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    bob = make_user("bob")
    page = reader.go(f"/admin/users?q={bob.username}")
    page.get_by_role("button", name=f"Actions for {bob.username}", exact=True).click()
    expect(page.get_by_role("menuitem", name="Erase for good")).to_have_count(0)
    page.keyboard.press("Escape")
    admin.rest.delete(f"/api/admin/users/{bob.id}")
    page = reader.go(f"/admin/users?view=deleted&q={bob.username}")

    act(page, bob.username, "Erase for good")
    dialog = page.get_by_role("dialog")
    erase = dialog.get_by_role("button", name="Erase for good")
    expect(erase).to_be_disabled()
    dialog.get_by_role("textbox").fill("somebody")
    expect(erase).to_be_disabled()
    dialog.get_by_role("textbox").fill(bob.username)
    erase.click()

    expect(page.get_by_text(f"Erased {bob.username} for good")).to_be_visible()
    expect(row(page, bob.username)).to_have_count(0)
    assert admin.rest.get(f"/api/admin/users/{bob.id}", expect=(404, 409, 410))["code"] in ("user_erased", "not_found")


def test_many_are_locked_out_and_let_in_at_once_and_who_was_not_is_named(
    reader: Reader, admin: Admin, make_user: Callable[[str], Person], fresh_name: Callable[[str], str]
) -> None:
    stem = fresh_name("many")
    people = [make_user(f"{stem}-{at}") for at in range(3)]
    page = reader.go(f"/admin/users?q={stem}")
    expect(page.get_by_role("row")).to_have_count(4)
    page.get_by_role("button", name="Choose all shown").click()
    admin.set_admin(people[1].id, True)  # behind the page's back

    page.get_by_role("button", name="Lock out 3").click()
    page.get_by_role("dialog").get_by_role("button", name="Lock out").click()

    expect(page.get_by_role("alert")).to_contain_text(f"{people[1].username}: The user is an administrator.")
    for person in (people[0], people[2]):
        expect(row(page, person.username)).to_contain_text("Locked")
        page.get_by_role("checkbox", name=f"Choose {person.username}").click()
    page.get_by_role("button", name="Activate 2").click()
    expect(page.get_by_text("Activated 2 users")).to_be_visible()
    expect(row(page, people[0].username)).to_contain_text("Active")
    admin.set_admin(people[1].id, False)


@pytest.mark.thorough
def test_keys_and_sessions_of_a_user_end_from_the_menu(
    reader: Reader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    bob = make_user("bob")
    key = bob.key("one")
    page = reader.go(f"/admin/users/{bob.id}?tab=keys")

    act(page, bob.username, "Revoke all keys")
    expect(page.get_by_role("dialog")).to_contain_text("Working keys: 1.")
    page.get_by_role("dialog").get_by_role("button", name="Revoke all keys").click()
    expect(page.get_by_role("row").filter(has_text="Revoked")).to_be_visible()
    act(page, bob.username, "End all sessions")
    page.get_by_role("dialog").get_by_role("button", name="End all sessions").click()

    expect(page.get_by_text(f"Ended all sessions of {bob.username}")).to_be_visible()
    answer = httpx.post(f"{reader.url}/mcp", headers={"Authorization": f"Bearer {key}"}, json={}, trust_env=False)
    assert answer.status_code == 401
    bob.rest.get("/api/user/me", expect=401)


@pytest.mark.thorough
def test_one_user_shows_what_they_have_and_no_value(
    reader: Reader,
    make_user: Callable[[str], Person],
    serve: Callable[..., None],
    upstreams: Upstreams,
    fresh_name: Callable[[str], str],
) -> None:
    server, closed = fresh_name("asks"), fresh_name("closed")
    config: dict[str, Any] = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}
    serve(
        {
            server: {**config, "headers": {"X-A": "${USER_PEOPLE_ONE}", "X-B": "${USER_PEOPLE_TWO}"}},
            closed: {**config, "mcphub": {"audience": {"users": ["nobody-at-all"]}}},
        }
    )
    bob = make_user("bob")
    bob.key("notebook")
    bob.group("backend", server)
    bob.save(server, USER_PEOPLE_ONE=SECRET)
    page = reader.go(f"/admin/users/{bob.id}")

    hidden = page.locator(f"[data-server={closed}]")
    expect(hidden).to_contain_text("The server is not meant for the user")
    expect(hidden).to_contain_text("nobody-at-all")
    page.get_by_role("tab", name="Keys 1").click()
    expect(page.get_by_role("row").filter(has_text="notebook")).to_contain_text("Active")
    page.get_by_role("tab", name="Groups 1").click()
    expect(page.get_by_text("backend", exact=True)).to_be_visible()
    page.get_by_role("tab", name="Variables 1").click()
    slots = page.get_by_role("listitem").filter(has_text=server).get_by_role("listitem")
    expect(slots).to_have_count(2)
    assert sorted(" ".join(text.split()[:2]) for text in slots.all_inner_texts()) == [
        "Missing PEOPLE_TWO",
        "Set PEOPLE_ONE",
    ]
    page.reload()
    expect(page.get_by_role("tab", name="Variables 1")).to_have_attribute("aria-selected", "true")
    assert SECRET[-4:] not in page.content()
    page.get_by_role("tab", name="Sessions 1").click()
    page.get_by_role("button", name="End", exact=True).click()

    expect(page.get_by_text("Not signed in anywhere")).to_be_visible()
    bob.rest.get("/api/user/me", expect=401)


def test_somebody_who_is_not_there_is_said_so(reader: Reader) -> None:
    page = reader.go("/admin/users/nobody")

    expect(page.get_by_role("alert")).to_contain_text("It is not there any more, or never was.")


@pytest.mark.thorough
def test_an_auditor_is_told_whose_page_it_is(
    open_reader: MakeReader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    eve = make_user("eve")
    admin.rest.put(f"/api/admin/users/{eve.id}/auditor", {"isAuditor": True})

    page = open_reader(eve).go("/admin/users")

    expect(page.get_by_text("This page is for administrators")).to_be_visible()
