"""Groups: made, switched, edited, copied and deleted; and a preview that is what a client lists."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.by_hand import listed
from tests.support.rest import Person
from tests.support.upstreams import HttpServer, Upstreams
from tests.support.web import UiPage


def with_groups(person: Person) -> str:
    person.group("on-call")
    made = person.group("backend")
    person.rest.patch(f"/api/user/groups/{made['id']}/active", {"isActive": False})
    return "/user-groups"


PAGES = [
    UiPage("/user-groups", who="fresh", state=with_groups),
    UiPage("/user-groups/$groupId", who="fresh", state=lambda who: f"/user-groups/{who.group('docs')['id']}"),
]
OFF = {name: {"enabled": False} for name in ("ask", "grow", "big", "crash", "hang", "fail")}


class Scene(NamedTuple):
    """Somebody who sees a server of six tools and six that are switched off, and one that asks for a value."""

    person: Person
    git: str
    jira: str


@pytest.fixture(scope="module")
def git_server(upstreams: Upstreams) -> HttpServer:
    return upstreams.http("git")


@pytest.fixture
def scene(
    git_server: HttpServer,
    serve: Callable[..., None],
    make_user: Callable[[str], Person],
    fresh_name: Callable[[str], str],
) -> Scene:
    git, jira = fresh_name("git"), fresh_name("jira")
    values = {"Authorization": "Bearer ${USER_GROUPS_TOKEN}"}
    serve({git: git_server.config(tools=OFF), jira: git_server.config(headers=values)})
    return Scene(make_user("ann"), git, jira)


def ask_for_tools(person: Person, server: str) -> None:
    person.rest.post(f"/api/servers/{server}/tools")


def preview(page: Page) -> Locator:
    return page.get_by_role("region", name="Preview")


def row(page: Page, group: str) -> Locator:
    return page.get_by_role("grid", name="My groups").get_by_role("row").filter(has_text=group)


def rule(page: Page) -> Locator:
    return page.get_by_role("status").filter(has_text="Clients see")


def previewed(page: Page) -> list[str]:
    return preview(page).locator("li li").all_inner_texts()


def test_a_new_group_narrows_clients_to_exactly_what_is_previewed(open_reader: MakeReader, scene: Scene) -> None:
    person, git, jira = scene
    ask_for_tools(person, git)
    page = open_reader(person).go("/user-groups")
    expect(rule(page)).to_contain_text("Clients see all your servers")

    page.get_by_role("button", name="New group").first.click()
    page.get_by_label("Name", exact=True).fill("backend")
    page.get_by_label("Servers", exact=True).fill(git)
    page.get_by_role("option", name=git, exact=True).click()
    page.get_by_role("region", name="New group").get_by_role("button", name="New group").click()

    expect(rule(page)).to_contain_text(
        "Clients see 1 server, 6 tools: what the groups that are on hold together (1 of 1)"
    )
    expect(row(page, "backend").get_by_role("gridcell").nth(3)).to_have_text("6")
    expect(preview(page)).to_contain_text("lists 6")
    expect(preview(page)).to_contain_text("6 kept back")
    assert sorted(previewed(page)) == sorted(listed(person.url, person.key()))
    assert jira not in preview(page).inner_text()


@pytest.mark.thorough
def test_a_switch_is_said_and_can_be_undone(open_reader: MakeReader, scene: Scene) -> None:
    person, git, _ = scene
    person.group("backend", git)
    ask_for_tools(person, git)
    page = open_reader(person).go("/user-groups")
    expect(preview(page)).to_contain_text("lists 6")

    row(page, "backend").get_by_role("switch", name="backend on").click()

    expect(rule(page)).to_contain_text("Clients see no tool now")
    expect(preview(page)).to_contain_text("Nothing is listed.")
    assert listed(person.url, person.key()) == []
    page.get_by_role("button", name="Undo").click()
    expect(preview(page)).to_contain_text("lists 6")
    assert len(listed(person.url, person.key())) == 6


def test_a_switch_that_fails_goes_back_and_says_why(open_reader: MakeReader, scene: Scene) -> None:
    person, git, _ = scene
    made = person.group("backend", git)
    page = open_reader(person).go("/user-groups")
    expect(row(page, "backend")).to_be_visible()
    person.rest.delete(f"/api/user/groups/{made['id']}")

    row(page, "backend").get_by_role("switch").click()

    expect(page.get_by_text("It is not there any more, or never was.")).to_be_visible()
    expect(page.get_by_text("You have no group", exact=True)).to_be_visible()


@pytest.mark.thorough
def test_a_deleted_group_comes_back_as_it_was(open_reader: MakeReader, scene: Scene) -> None:
    person, git, jira = scene
    made = person.group("docs", git, jira)
    person.rest.patch(f"/api/user/groups/{made['id']}/active", {"isActive": False})
    page = open_reader(person).go("/user-groups")

    row(page, "docs").get_by_role("button", name="Actions for docs").click()
    page.get_by_role("menuitem", name="Delete").click()
    expect(page.get_by_text("You have no group", exact=True)).to_be_visible()
    page.get_by_role("button", name="Undo").click()

    expect(row(page, "docs").get_by_role("switch")).not_to_be_checked()
    (again,) = person.rest.get("/api/user/groups")
    assert (again["name"], sorted(again["servers"]), again["isActive"]) == ("docs", sorted([git, jira]), False)


@pytest.mark.thorough
def test_a_group_is_edited_copied_and_says_when_a_name_is_taken(open_reader: MakeReader, scene: Scene) -> None:
    person, git, jira = scene
    person.group("on-call", jira)
    made = person.group("backend", git)
    reader = open_reader(person)
    page = reader.go(f"/user-groups/{made['id']}")
    save = page.get_by_role("button", name="Save", exact=True)
    expect(save).to_be_disabled()

    page.get_by_label("Name", exact=True).fill("On-Call")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("You have a group of that name. Choose another name.")).to_be_visible()
    page.get_by_label("Name", exact=True).fill("platform")
    page.get_by_label("Servers", exact=True).fill(jira)
    page.get_by_role("option", name=jira, exact=True).click()
    save.click()
    expect(reader.heading("platform")).to_be_visible()
    expect(preview(page)).to_contain_text(jira)
    expect(preview(page).get_by_role("link", name=f"Enter values for {jira}")).to_have_attribute(
        "href", f"/settings#{jira}"
    )
    page.get_by_role("button", name="Duplicate").click()

    expect(reader.heading("platform 2")).to_be_visible()
    groups = {group["name"]: group for group in person.rest.get("/api/user/groups")}
    assert sorted(groups["platform 2"]["servers"]) == sorted(groups["platform"]["servers"]) == sorted([git, jira])


@pytest.mark.thorough
def test_a_selection_and_a_search_stand_in_the_address_and_keys_move(open_reader: MakeReader, scene: Scene) -> None:
    person, git, jira = scene
    first, second = person.group("docs", jira), person.group("backend", git)
    reader = open_reader(person)
    page = reader.go("/user-groups")

    page.get_by_role("grid", name="My groups").focus()
    page.keyboard.press("j")
    expect(preview(page)).to_contain_text("Only backend")
    page.keyboard.press("j")
    expect(preview(page)).to_contain_text("Only docs")
    assert first["id"] in reader.path()
    page.reload()
    expect(preview(page)).to_contain_text("Only docs")
    page.keyboard.press("Escape")
    expect(preview(page)).not_to_contain_text("Only docs")
    page.keyboard.press("/")
    page.keyboard.type(git)
    expect(row(page, "docs")).to_have_count(0)
    page.get_by_role("grid", name="My groups").focus()
    page.keyboard.press("j")
    page.keyboard.press("Enter")

    expect(reader.heading("backend")).to_be_visible()
    assert reader.path() == f"/user-groups/{second['id']}"
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value(git)


@pytest.mark.thorough
def test_a_server_nobody_asked_is_asked_from_the_preview(open_reader: MakeReader, scene: Scene) -> None:
    person, git, _ = scene
    person.group("backend", git)
    page = open_reader(person).go("/user-groups")

    preview(page).get_by_role("button", name=f"Ask {git} for its tools").click()

    expect(preview(page)).to_contain_text("lists 6")
    expect(row(page, "backend").get_by_role("gridcell").nth(3)).to_have_text("6")
