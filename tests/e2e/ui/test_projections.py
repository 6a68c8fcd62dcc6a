"""Projections: where each read table stands, made anew and compared from the page, and let on after a stop."""

import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect

from mcphub.postgres.embedded import EmbeddedPostgres
from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin
from tests.support.running import RunningHub
from tests.support.web import Reader, UiPage

PAGES = [
    UiPage("/admin/projections", who="admin"),
    UiPage("/admin/projections/$name", path="/admin/projections/users", who="admin"),
]
WORK_WITHIN = 60_000  # milliseconds; a process starts, and others share the machine


def row(page: Page, table: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=table, exact=True))


def head(admin: Admin) -> int:
    return int(admin.rest.get("/api/admin/projections")[0]["head"])


def test_all_tables_are_compared_and_made_anew_and_the_page_says_what_came_of_it(
    open_reader: MakeReader, admin: Admin
) -> None:
    reader = open_reader(admin)
    page = reader.go("/admin/projections")
    tables = [view["name"] for view in admin.rest.get("/api/admin/projections")]
    for table in tables:
        expect(row(page, table)).to_contain_text("Live")

    at = head(admin)
    page.get_by_role("button", name="Check all").click()
    found = page.get_by_role("status").filter(has_text="All tables are what a rebuild makes, up to #")
    expect(found).to_be_visible(timeout=WORK_WITHIN)
    assert int(found.inner_text().rpartition("#")[2].replace(",", "").rstrip(".")) >= at
    expect(page.get_by_text("Equal to a rebuild")).to_have_count(len(tables))
    row(page, "credentials").get_by_role("link", name="credentials", exact=True).click()
    (view,) = [view for view in admin.rest.get("/api/admin/projections") if view["name"] == "credentials"]
    expect(page.get_by_text(view["checked"]["checksum"])).to_be_visible()
    expect(page.get_by_text(f"at #{view['checked']['position']:,},")).to_be_visible()

    page.get_by_role("button", name="Rebuild all").click()

    expect(page.get_by_role("status").filter(has_text="All tables were rebuilt up to #")).to_be_visible(
        timeout=WORK_WITHIN
    )
    expect(page.get_by_text("Not checked")).to_be_visible()
    assert reader.complaints == []


def test_a_table_that_stopped_names_its_event_and_goes_on_when_it_is_asked_to(
    open_reader: MakeReader, admin: Admin, hub: RunningHub
) -> None:
    page = open_reader(admin).go("/admin/projections")
    fact = admin.rest.get("/api/audit", params={"limit": 1, "kind": "fact"})[0]
    with psycopg.connect(EmbeddedPostgres.reach(hub.home).dsn(), autocommit=True) as db:
        db.execute(
            "update public.tracking set status = 'failed', error = %s, failed_at_position = %s where name = 'groups'",
            (f"KeyError at {fact['position']}", fact["position"]),
        )
        try:
            expect(row(page, "groups")).to_contain_text("Stopped")
            stopped = page.get_by_role("cell").filter(has_text=f"KeyError at {fact['position']}")
            name = f"{fact['type']} #{fact['position']:,}"
            expect(stopped.get_by_role("link", name=name)).to_have_attribute("href", f"/admin/audit/{fact['position']}")
            stopped.get_by_role("button", name="Try again").click()

            expect(page.get_by_text("groups tries its event again.")).to_be_visible()
            expect(row(page, "groups")).to_contain_text("Live")
        finally:
            db.execute("update public.tracking set status = 'live', failed_at_position = null where name = 'groups'")


@pytest.mark.thorough
def test_a_table_there_is_none_of_is_said_and_the_page_is_not_for_everybody(
    reader: Reader, open_reader: MakeReader, admin: Admin
) -> None:
    page = open_reader(admin).go("/admin/projections/none")
    expect(page.get_by_text("There is no such table")).to_be_visible()

    reader.go("/admin/projections")
    expect(reader.heading("This page is for administrators")).to_be_visible()
