"""My activity: one's own requests and events, and nobody else's."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.session_by_hand import Session
from tests.support.waiting import eventually
from tests.support.web import UiPage

PAGES = [UiPage("/activity")]


def listed(person: Person) -> str:
    """A list of tools that somebody asked for; the id of the request."""
    session = Session(person.url, person.key())
    session.tools()
    session.close()
    eventually(
        lambda: any(row["endedAt"] for row in person.requests(method="tools/list")),
        within=20,
        what="the request is on the record",
    )
    return str(person.requests(method="tools/list")[0]["id"])


def row(page: Page, id_: str) -> Locator:
    return page.locator(f'[data-row="{id_}"]')


def test_somebody_sees_their_own_requests_and_no_others(
    open_reader: MakeReader, make_user: Callable[[str], Person]
) -> None:
    ann, ben = make_user("ann"), make_user("ben")
    own, other = listed(ann), listed(ben)
    (figures,) = ann.rest.get("/api/requests/stats")
    reader = open_reader(ann)
    page = reader.go("/activity")

    expect(row(page, own)).to_contain_text("tools/list")
    expect(row(page, other)).to_have_count(0)
    strip = page.locator("dl > div").filter(has=page.locator("dt:text-is('Requests')"))
    expect(strip.locator("dd > span").first).to_have_text(str(figures["count"]))
    expect(page.get_by_role("columnheader", name="User")).to_have_count(0)
    row(page, own).click()
    expect(page.get_by_role("complementary", name="Request")).to_contain_text("Left out of the list")
    came = listed(ann)
    expect(row(page, came)).to_contain_text("tools/list")  # by itself
    reader.go(f"/activity?e={other}")
    expect(page.get_by_text("There is no such request")).to_be_visible()


@pytest.mark.thorough
def test_an_administrator_sees_only_their_own_here(
    open_reader: MakeReader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    other, own = listed(make_user("ben")), listed(admin)
    page = open_reader(admin).go("/activity")

    expect(row(page, own)).to_be_visible()
    expect(row(page, other)).to_have_count(0)


@pytest.mark.thorough
def test_what_somebody_does_appears_among_their_events_by_itself(
    open_reader: MakeReader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    person = make_user("ann")
    page = open_reader(person).go("/activity")
    page.get_by_role("button", name="Events").click()
    expect(page.get_by_role("row").filter(has_text="Account made")).to_be_visible()

    person.key("notebook")
    issued = page.get_by_role("row").filter(has_text="Key made")
    expect(issued).to_contain_text("notebook")
    expect(issued).to_contain_text("you")
    admin.set_active(person, False)
    admin.set_active(person, True)
    again = open_reader(person).go("/activity?tab=events")

    locked = again.get_by_role("row").filter(has_text="Account locked")
    expect(locked).to_contain_text("admin")
    expect(locked).not_to_contain_text("you")
