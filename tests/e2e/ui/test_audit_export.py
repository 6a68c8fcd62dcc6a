"""The timeline taken as a file: what the page is narrowed to, and no more."""

import csv
import io
import json
from pathlib import Path

from playwright.sync_api import Page

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin


def saved(page: Page, form: str) -> tuple[str, bytes]:
    page.get_by_role("button", name="Export").click()
    with page.expect_download() as coming:
        page.get_by_role("menuitem", name=form).click()
    return coming.value.suggested_filename, Path(coming.value.path()).read_bytes()


def test_a_file_holds_what_the_page_is_narrowed_to(open_reader: MakeReader, admin: Admin) -> None:
    person = admin.user("taken")
    for name in ("one", "=2+2"):
        person.group(name)
    page = open_reader(admin).go(f"/admin/audit?q=actor:{person.username} type:GroupCreated")

    name, lines = saved(page, "Lines of JSON")
    sheet_name, sheet = saved(page, "Sheet (CSV)")

    facts = [json.loads(line) for line in lines.splitlines()]
    rows = list(csv.DictReader(io.StringIO(sheet.decode("utf-8-sig"), newline="")))
    assert [fact["data"]["name"] for fact in facts] == ["=2+2", "one"]
    assert {fact["actorName"] for fact in facts} == {person.username} == {row["actorName"] for row in rows}
    assert [row["hash"] for row in rows] == [fact["hash"] for fact in facts]
    assert (name.rpartition(".")[2], sheet_name.rpartition(".")[2]) == ("ndjson", "csv")
