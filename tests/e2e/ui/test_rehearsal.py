"""Before a change is saved it is tried on real calls: editor and audience say which would have been refused."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui import test_config as editing
from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually
from tests.support.web import Reader


@pytest.fixture
def reader(open_reader: MakeReader, admin: Admin) -> Reader:
    return open_reader(admin)


@pytest.fixture
def caller(make_user: Callable[[str], Person]) -> Person:
    return make_user("caller")


@pytest.fixture
def called(caller: Person, serve: Callable[..., None], upstreams: Upstreams, fresh_name: Callable[[str], str]) -> str:
    """A server, both of whose tools somebody has called."""
    name = fresh_name("real")
    serve({name: upstreams.http(name, "find", "drop").config()})
    for tool in ("find", "drop"):
        caller.rest.post(f"/api/servers/{name}/tools/{tool}/try", {"arguments": {"text": "x"}})
    eventually(lambda: len(caller.requests(method="tools/call")) == 2, within=10, what="the rows of the calls")
    return name


def tried(box: Locator) -> Locator:
    box.get_by_role("button", name="Try it", exact=True).click()
    expect(box.get_by_text("would have been refused")).not_to_have_count(0)
    return box.get_by_role("table")


@pytest.mark.thorough
def test_an_audience_is_tried_on_real_calls(reader: Reader, called: str, caller: Person) -> None:
    page = reader.go(f"/admin/audiences?e={called}")
    box = page.get_by_role("region", name=called, exact=True)
    expect(box.get_by_role("button", name="Try it")).to_have_count(0)
    box.get_by_role("button", name="Named").click()

    rows = tried(box).get_by_role("row").filter(has_text=caller.username)

    expect(rows).to_have_count(2)
    expect(rows.filter(has_text=f"{called} · find")).to_contain_text("The server is not meant for the user")
    box.get_by_role("button", name="1 day", exact=True).click()
    expect(box.get_by_role("table")).to_have_count(0)  # that answer was to another question


def test_a_document_is_tried_on_real_calls_before_it_is_saved(
    reader: Reader, admin: Admin, called: str, caller: Person
) -> None:
    page: Page = editing.opened(reader)

    def edit(settings: dict[str, Any]) -> None:
        settings["mcpServers"][called]["tools"] = {"drop": {"enabled": False}}

    editing.change(page, admin, edit)
    expect(editing.panel(page)).to_contain_text("switched off drop")

    rows = tried(editing.panel(page)).get_by_role("row").filter(has_text=caller.username)

    expect(rows).to_have_count(1)
    expect(rows).to_contain_text(f"{called} · drop")
    expect(rows).to_contain_text("switched it off")
    assert "tools" not in editing.document(admin)["mcpServers"][called], "it was only tried"


@pytest.mark.thorough
def test_what_cannot_be_tried_says_why(reader: Reader, admin: Admin, called: str) -> None:
    page = reader.go(f"/admin/audiences?e={called}")
    box = page.get_by_role("region", name=called, exact=True)
    box.get_by_role("button", name="Named").click()
    admin.remove_servers(called)

    box.get_by_role("button", name="Try it", exact=True).click()

    expect(box.get_by_role("alert")).to_be_visible()
