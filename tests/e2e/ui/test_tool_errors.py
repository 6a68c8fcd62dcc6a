"""Answers in which a tool reports an error of its own: told from what went well, counted, and found."""

from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import expect

from tests.e2e.ui.conftest import MakeReader
from tests.e2e.ui.test_requests import figure, row, settled
from tests.support.rest import Admin, Person
from tests.support.session_by_hand import Session
from tests.support.upstreams import Upstreams


@pytest.fixture
def person(make_user: Callable[[str], Person]) -> Person:
    return make_user("ann")


def test_a_tool_that_reports_an_error_is_seen_in_the_list_the_detail_and_the_figures(
    open_reader: MakeReader,
    admin: Admin,
    person: Person,
    upstreams: Upstreams,
    serve: Callable[..., None],
    fresh_name: Callable[[str], str],
) -> None:
    server = upstreams.http(fresh_name("wiki"))
    serve({server.name: server.config()})
    session = Session(person.url, person.key(), path=f"/mcp/{server.name}")
    assert session.call("fail", text="no such page")["result"]["isError"]
    for _ in range(3):
        session.call("echo", text="hi")
    session.close()
    settled(person, 4, method="tools/call")
    (told,) = settled(person, 1, method="tools/call", tool="fail")
    (went,) = settled(person, 3, method="tools/call", tool="echo")[:1]
    whose = f"user:{person.username} method:tools/call"

    page = open_reader(admin).go(f"/admin/requests?q={quote(whose)}")
    expect(figure(page, "Errors")).to_have_text("0.0%")
    expect(figure(page, "Tool errors")).to_have_text("25.0%")
    expect(row(page, went["id"])).to_contain_text("Done")
    expect(row(page, told["id"])).to_contain_text("Tool error")
    row(page, told["id"]).click()
    detail = page.get_by_role("complementary", name="Request")
    expect(detail).to_contain_text("the tool itself reported an error")

    page = open_reader(admin).go(f"/admin/requests?q={quote(f'{whose} is:error')}")
    expect(row(page, told["id"])).to_be_visible()
    expect(row(page, went["id"])).to_have_count(0)
    expect(figure(page, "Requests")).to_have_text("1")
