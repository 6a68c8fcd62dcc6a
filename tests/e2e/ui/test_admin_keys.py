"""All keys: whose, used when, ending when; and one is revoked."""

from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.web import Reader, UiPage

PAGES = [UiPage("/admin/keys", who="admin")]


@pytest.fixture
def reader(open_reader: MakeReader, admin: Admin) -> Reader:
    return open_reader(admin)


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has_text=name)


def test_each_key_stands_with_its_owner_and_no_key_is_shown(
    reader: Reader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    ann = make_user("ann")
    whole, narrow = ann.key("whole", headerOnly=True), ann.key("narrow", scope={"servers": []})
    page = reader.go(f"/admin/keys?q={ann.username}")

    expect(page.get_by_role("row")).to_have_count(3)
    expect(row(page, "whole")).to_contain_text(f"{whole[:11]}…{whole[-4:]}")
    expect(row(page, "whole")).to_contain_text("Header only")
    expect(row(page, "narrow")).to_contain_text("Narrowed")
    expect(row(page, "narrow").get_by_role("gridcell").nth(6)).to_have_text("never")
    expect(page.get_by_text("2 keys", exact=True)).to_be_visible()
    assert whole not in page.content()
    assert narrow not in page.content()
    row(page, "whole").get_by_role("link", name=ann.username).click()
    expect(page.get_by_role("tab", name="Keys 2")).to_have_attribute("aria-selected", "true")
    page.go_back()
    for key in ("ArrowDown", "Enter"):
        page.get_by_role("grid").press(key)
    expect(page.get_by_role("tab", name="Keys 2")).to_have_attribute("aria-selected", "true")


@pytest.mark.thorough
def test_views_narrow_the_list_and_stand_in_the_address(reader: Reader, make_user: Callable[[str], Person]) -> None:
    ann = make_user("ann")
    ann.key("long"), ann.key("short", expiryDays=2), ann.key("dead")
    ann.rest.delete(f"/api/oauth/keys/{ann.keys['dead']['id']}")
    page = reader.go(f"/admin/keys?q={ann.username}")

    expect(row(page, "long")).to_be_visible()
    expect(row(page, "dead")).to_have_count(0)
    page.get_by_role("button", name="Expire soon").click()
    expect(row(page, "long")).to_have_count(0)
    expect(row(page, "short")).to_contain_text("Expires soon")
    page.get_by_role("button", name="All", exact=True).click()
    expect(row(page, "dead")).to_contain_text("Revoked")
    page.get_by_role("button", name="Name", exact=True).click()
    page.reload()

    names = [page.get_by_role("row").nth(at).get_by_role("gridcell").nth(1).inner_text() for at in (1, 2, 3)]
    assert names == ["dead", "long", "short"]
    page.get_by_role("button", name="Unused for 30 days").click()
    expect(page.get_by_text("No key fits these filters")).to_be_visible()


def test_a_revoked_key_opens_nothing_from_then_on(reader: Reader, make_user: Callable[[str], Person]) -> None:
    ann = make_user("ann")
    key = ann.key("notebook")
    page = reader.go(f"/admin/keys?q={ann.username}")

    page.get_by_role("button", name="Revoke notebook").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"Clients of {ann.username} that use this key stop at once.")
    dialog.get_by_role("button", name="Revoke", exact=True).click()

    expect(page.get_by_text("Revoked the key notebook")).to_be_visible()
    expect(row(page, "notebook")).to_have_count(0)
    answer = httpx.post(f"{reader.url}/mcp", headers={"Authorization": f"Bearer {key}"}, json={}, trust_env=False)
    assert answer.status_code == 401


def test_a_key_whose_owner_is_gone_is_refused_in_the_dialog(
    reader: Reader, admin: Admin, make_user: Callable[[str], Person]
) -> None:
    ann = make_user("ann")
    ann.key("notebook")
    page = reader.go(f"/admin/keys?q={ann.username}")
    page.get_by_role("button", name="Revoke notebook").click()
    admin.rest.delete(f"/api/admin/users/{ann.id}")
    admin.rest.ask("DELETE", f"/api/admin/users/{ann.id}?hard=true", json={"confirm": ann.username})

    page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()

    expect(page.get_by_role("dialog").get_by_role("alert")).not_to_be_empty()
