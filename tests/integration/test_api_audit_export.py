"""The timeline as a file: what the list holds, in lines of JSON or in a sheet that takes nothing for a formula."""

import csv
import io
import json

import pytest

from mcphub.api.controllers import audit_export
from mcphub.api.controllers.audit_export import harmless, sheet_lines
from tests.support.api import problem

EXPORT = "/api/audit/export"
FORMULA = '=HYPERLINK("http://x";"y")'


async def group(browser, name):
    await browser.data("POST", "/api/user/groups", {"name": name, "servers": []})


async def test_lines_hold_what_the_list_holds_with_the_hash_of_each_fact(api, monkeypatch):
    monkeypatch.setattr(audit_export, "STEP", 2)
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    for number in range(5):
        await group(bob, f"g{number}")
    await bob.get("/api/admin/users")  # a refusal stands in the other log
    await api.services.access_log.stored()

    answer = await admin.get(f"{EXPORT}?user=bob&type=-export")

    lines = [json.loads(line) for line in answer.text.splitlines()]
    listed = await admin.data("GET", "/api/audit?user=bob&type=-export&limit=200")
    assert len(lines) > 8
    assert [(line["kind"], line["type"], line["position"]) for line in lines] == [
        (item["kind"], item["type"], item["position"]) for item in listed
    ]
    chains = {
        line["position"]: (await admin.get(f"/api/audit/{line['position']}")).json()["detail"]["chain"]["hash"]
        for line in lines[:3]
        if line["kind"] == "fact"
    }
    assert {line["position"]: line["hash"] for line in lines[:3] if "hash" in line} == chains
    assert [item["data"] for item in listed if item["kind"] == "fact"] == [
        line["data"] for line in lines if line["kind"] == "fact"
    ]
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert answer.headers["content-disposition"].endswith('.ndjson"')


async def test_a_sheet_has_a_line_of_names_and_takes_no_name_for_a_formula(api):
    admin = await api.user("admin", admin=True)
    await group(admin, FORMULA)

    answer = await admin.get(f"{EXPORT}?format=csv&type=GroupCreated&type=SignedIn")

    text = answer.content.decode("utf-8-sig")
    assert answer.content.startswith("\ufeff".encode())
    assert text.count("\r\n") == 3
    created, signed_in = csv.DictReader(io.StringIO(text, newline=""))
    assert (created["type"], created["actorName"], created["outcome"]) == ("GroupCreated", "admin", "done")
    assert json.loads(created["data"])["name"] == FORMULA
    assert len(created["hash"]) == 64
    assert (signed_in["kind"], signed_in["userName"]) == ("fact", "admin")
    assert answer.headers["content-type"].startswith("text/csv")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1", "＝1"])
def test_a_cell_that_begins_like_a_formula_is_text(cell):
    assert harmless(cell) == f"'{cell}"
    (row,) = csv.reader(io.StringIO(sheet_lines([[cell, 'a;"b"', "x"]]), newline=""))
    assert row == [f"'{cell}", 'a;"b"', "x"]


async def test_a_file_has_what_its_reader_may_see_and_the_access_log_says_who_took_it(api):
    admin, bob = await api.user("admin", admin=True), await api.user("bob")
    await group(bob, "mine")
    await group(admin, "theirs")

    own = (await bob.get(EXPORT)).text
    refused = await api.browser().get(EXPORT)
    wrong = await bob.get(f"{EXPORT}?format=xml")

    assert "mine" in own
    assert "theirs" not in own
    assert problem(refused) == (401, "not_authenticated")
    assert wrong.status_code == 400 or problem(wrong)[0] == 422
    await api.services.access_log.stored()
    noted = await admin.data("GET", "/api/audit?type=export")
    assert [(item["actorName"], item["route"], item["outcome"]) for item in noted] == [("bob", EXPORT, "done")]
