"""Health: what was found is what is so, and a hub that is not well says it on every page of administration."""

import re

import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect

from mcphub.postgres.embedded import EmbeddedPostgres
from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin
from tests.support.running import RunningHub
from tests.support.web import UiPage

PAGES = [UiPage("/admin/health", who="admin")]
NAMES = [
    *("Database", "Event store", "Hash chain", "Completeness", "Schema", "Backup", "Master key", "Retention"),
    "Access decisions",
    *("Read tables", "Servers", "Disk", "Clock", "Sign-in", "Address"),
]


def row(page: Page, name: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))


def test_each_part_says_what_was_found(open_reader: MakeReader, admin: Admin, hub: RunningHub) -> None:
    reader = open_reader(admin)
    page = reader.go("/admin/health")
    for name in NAMES:
        expect(row(page, name)).to_have_count(1)

    position = newest(admin)
    page.get_by_role("button", name="Look again").click()

    expect(row(page, "Event store")).to_contain_text(f"The newest is #{position:,}.")
    expect(row(page, "Hash chain")).to_contain_text(f"up to #{position:,}.")
    expect(row(page, "Backup")).to_contain_text("None was made yet.")
    expect(row(page, "Master key")).to_contain_text("k1, in use for 0 days.")
    expect(row(page, "Retention")).to_contain_text("of 90")
    expect(row(page, "Address")).to_contain_text(f"{hub.url}, on this machine only.")
    [node] = admin.rest.get("/api/admin/nodes")
    expect(row(page, node["name"])).to_contain_text(node["version"])
    version = admin.rest.get("/api/health")["version"]
    expect(page.get_by_role("definition").filter(has_text=re.compile(f"^{re.escape(version)}$")).first).to_be_visible()
    row(page, "Hash chain").get_by_role("button", name="Copy mcphub verify").click()
    expect(row(page, "Hash chain").get_by_role("button", name="Copied")).to_be_visible()
    assert reader.clipboard() == "mcphub verify"


def test_the_forms_of_a_time_are_copied_by_keyboard_alone(open_reader: MakeReader, admin: Admin) -> None:
    reader = open_reader(admin)
    page = reader.go("/admin/health")
    time = row(page, "Database").locator("time")
    at = str(time.get_attribute("datetime"))

    time.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copy: Local")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_focused()
    assert reader.clipboard() == at
    page.keyboard.press("Escape")
    expect(time).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Copy: UTC")).to_have_count(0)


def newest(admin: Admin) -> int:
    return int(admin.rest.get("/api/audit", params={"limit": 1, "kind": "fact"})[0]["position"])


@pytest.mark.thorough
def test_a_read_table_that_stands_still_is_said_on_every_page_of_administration_until_it_goes_on(
    open_reader: MakeReader, admin: Admin, hub: RunningHub
) -> None:
    reader = open_reader(admin)
    with psycopg.connect(EmbeddedPostgres.reach(hub.home).dsn(), autocommit=True) as db:
        db.execute("update public.tracking set status = 'failed' where name = 'groups'")
        try:
            page = reader.go("/admin/tool-changes")
            banner = page.get_by_role("alert").filter(has_text="The hub is not well: Read tables")
            expect(banner).to_be_visible()
            banner.get_by_role("link", name="What to do").click()

            expect(row(page, "Read tables")).to_contain_text("groups: stopped at an event they cannot take.")
            expect(row(page, "Read tables")).to_contain_text("mcphub rebuild")
        finally:
            db.execute("update public.tracking set status = 'live' where name = 'groups'")
    eventually_well(page)
    expect(banner).to_have_count(0)
    page.get_by_role("link", name="Connect", exact=True).click()
    expect(reader.heading("Connect")).to_be_visible()


def eventually_well(page: Page) -> None:
    """Findings are kept for two seconds; whoever presses again gets new ones."""
    again = page.get_by_role("button", name="Look again")
    found = row(page, "Read tables")
    for _ in range(20):
        again.click()
        expect(again).to_be_enabled()
        if "are current" in found.inner_text():
            break
        page.wait_for_timeout(500)
    expect(found).to_contain_text("are current")
