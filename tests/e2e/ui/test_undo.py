"""An event is undone from its page: after a look at whom that affects, by a new event, or with a reason why not."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.web import Reader

SERVER = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}


@pytest.fixture
def person(make_user: Callable[[str], Person]) -> Person:
    return make_user("undone")


@pytest.fixture
def watcher(open_reader: MakeReader, admin: Admin) -> Reader:
    return open_reader(admin)


def newest(admin: Admin, type_: str) -> dict[str, Any]:
    found: dict[str, Any] = admin.rest.get(f"/api/audit?type={type_}&limit=1")[0]
    return found


def asked(reader: Reader, position: int) -> tuple[Page, Locator]:
    page = reader.go(f"/admin/audit/{position}")
    page.get_by_role("button", name="Undo…").click()
    return page, page.get_by_role("dialog", name=re.compile("Undo event"))


def test_an_event_is_undone_after_a_look_at_whom_it_affects(watcher: Reader, admin: Admin, person: Person) -> None:
    name = f"desk of {person.username}"
    admin.rest.post("/api/servers", {"name": name, "config": SERVER}, expect=201)
    admin.rest.put(f"/api/admin/users/{person.id}/active", {"isActive": False})
    locked = newest(admin, "UserDeactivated")["position"]

    page, dialog = asked(watcher, locked)

    expect(dialog).to_contain_text(f"activated {person.username}")
    affected = dialog.get_by_role("row").filter(has_text=person.username)
    expect(affected.get_by_role("cell").first).to_contain_text(name)
    dialog.get_by_role("button", name="Undo it").click()

    expect(page.get_by_text(f"Event #{locked:,} is undone")).to_be_visible()
    expect(dialog).to_be_hidden()
    new = newest(admin, "UserActivated")
    assert (new["userId"], new["actor"]) == (person.id, admin.id)
    expect(page.get_by_role("link", name=re.compile(f"{new['position']:,}"))).to_be_visible()
    admin.rest.delete(f"/api/servers/{name}")


@pytest.mark.thorough
def test_what_was_undone_already_leads_to_the_event_that_did_it(watcher: Reader, admin: Admin, person: Person) -> None:
    admin.rest.put(f"/api/admin/users/{person.id}/active", {"isActive": False})
    locked = newest(admin, "UserDeactivated")["position"]
    admin.rest.put(f"/api/admin/users/{person.id}/active", {"isActive": True})
    again = newest(admin, "UserActivated")["position"]

    page, dialog = asked(watcher, locked)

    expect(dialog).to_contain_text("a later change took it back")
    expect(dialog.get_by_role("button", name="Undo it")).to_be_disabled()
    dialog.get_by_role("link", name=f"Event #{again:,}").click()
    expect(page).to_have_url(re.compile(f"/admin/audit/{again}$"))


@pytest.mark.thorough
def test_an_undo_that_comes_too_late_is_refused_and_looked_at_again(
    watcher: Reader, admin: Admin, person: Person
) -> None:
    group = person.group("switched")["id"]
    person.rest.patch(f"/api/user/groups/{group}/active", {"isActive": False})
    switched = newest(admin, "GroupDeactivated")["position"]
    _, dialog = asked(watcher, switched)
    expect(dialog).to_contain_text("switched on group switched")

    person.rest.delete(f"/api/user/groups/{group}")
    dialog.get_by_role("button", name="Undo it").click()

    expect(dialog.get_by_role("alert")).to_be_visible()
    expect(dialog).to_contain_text("changed again since")
    expect(dialog.get_by_role("button", name="Undo it")).to_be_disabled()


def test_who_only_reads_is_not_asked(open_reader: MakeReader, shared_people: dict[str, Person], admin: Admin) -> None:
    page = open_reader(shared_people["auditor"]).go(f"/admin/audit/{newest(admin, '*')['position']}")

    expect(page.get_by_role("tab", name="Changes")).to_be_visible()
    expect(page.get_by_role("button", name="Undo…")).to_have_count(0)
