"""Everybody's values without the values: who entered what, what is wrong, the clean-up, the hub's own, the schedule."""

from collections.abc import Callable
from typing import NamedTuple

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.web import UiPage

PAGES = [UiPage("/admin/variables", who="admin")]
SECRET = "pat-0123456789abcdef7Q0c"
ENTRY = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}
HUB_VARIABLES = "/api/admin/hub-variables"


class Scene(NamedTuple):
    """A server that asks for a token and may be used by two, of whom one has entered it."""

    jira: str
    with_value: Person
    without: Person


@pytest.fixture
def scene(serve: Callable[..., None], make_user: Callable[[str], Person], fresh_name: Callable[[str], str]) -> Scene:
    jira, with_value, without = fresh_name("jira"), make_user("has"), make_user("lacks")
    audience = {"users": [with_value.username, without.username]}
    headers = {"Authorization": "Bearer ${USER_REPORT_TOKEN}"}
    serve({jira: {**ENTRY, "headers": headers, "mcphub": {"audience": audience}}})
    with_value.save(jira, USER_REPORT_TOKEN=SECRET)
    return Scene(jira, with_value, without)


def rows(page: Page, table: str) -> Locator:
    return page.get_by_role("grid", name=table).get_by_role("row")


def test_the_report_counts_who_may_and_who_has_and_names_them(
    open_reader: MakeReader, admin: Admin, scene: Scene
) -> None:
    reader = open_reader(admin)
    page = reader.go(f"/admin/variables?q={scene.jira}")

    row = rows(page, "Report").filter(has_text=scene.jira)
    expect(row).to_contain_text("1 of 2")
    expect(row).to_contain_text("50.0%")
    row.click()
    holders = page.get_by_role("region", name="Has a value: USER_REPORT_TOKEN")
    expect(holders.get_by_role("listitem")).to_have_text([scene.with_value.username])
    expect(holders).to_contain_text("1 of those who may use it have none.")
    assert SECRET not in page.content()
    assert SECRET[-4:] not in holders.inner_text()
    page.reload()
    expect(holders).to_be_visible()
    page.keyboard.press("Escape")
    expect(holders).to_have_count(0)
    page.get_by_role("button", name="By variable").click()
    expect(rows(page, "Report").filter(has_text="USER_REPORT_TOKEN")).to_contain_text("1 of 2")
    page.go_back()

    expect(page.get_by_role("button", name="By server")).to_have_attribute("aria-pressed", "true")


@pytest.mark.thorough
def test_an_issue_says_whose_it_is_and_a_clean_up_destroys_what_was_typed_for(
    open_reader: MakeReader, admin: Admin, scene: Scene
) -> None:
    settings, _ = admin.settings()
    settings["mcpServers"][scene.jira]["headers"] = {}
    admin.save_settings(settings)
    page = open_reader(admin).go(f"/admin/variables?tab=issues&q={scene.with_value.username}")

    row = rows(page, "Issues").filter(has_text="Nobody asks for it any more")  # other servers may want values as well
    expect(row.get_by_role("link", name=scene.with_value.username)).to_have_attribute(
        "href", f"/admin/users/{scene.with_value.id}"
    )
    page.get_by_role("button", name="Clean up").click()
    asked = page.get_by_role("dialog")
    expect(asked.get_by_role("listitem").filter(has_text=scene.with_value.username)).to_contain_text(scene.jira)
    destroy = asked.get_by_role("button", name="Destroy")
    expect(destroy).to_be_disabled()
    asked.get_by_role("textbox").fill("destroy")
    destroy.click()

    expect(page.get_by_text("were destroyed")).to_be_visible()
    expect(rows(page, "Issues").filter(has_text="Nobody asks for it any more")).to_have_count(0)
    assert admin.rest.post("/api/env-vars/cleanup", {"dryRun": True})["removed"] == 0
    page.get_by_role("button", name="Clean up").click()
    expect(page.get_by_role("dialog")).to_contain_text("There is nothing to clean up")


def test_a_hub_variable_is_stored_masked_replaced_and_removed(
    open_reader: MakeReader, admin: Admin, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    git = fresh_name("git")
    name = fresh_name("HUB_UI").replace("-", "_")
    serve({git: {**ENTRY, "headers": {"X-Route": f"${{{name}}}"}}})
    page = open_reader(admin).go(f"/admin/variables?tab=hub&q={name}")
    row = rows(page, "Hub variables").filter(has_text=name)
    expect(row).to_contain_text("Not set")
    expect(row).to_contain_text(git)

    row.get_by_role("button", name=f"Set {name}").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Value", exact=True).fill("••••••••7Q0c")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("This is the mask, not a value. Enter the value itself.")).to_be_visible()
    dialog.get_by_label("Value", exact=True).fill(SECRET)
    dialog.get_by_role("button", name="Save").click()

    expect(row).to_contain_text("Stored here")
    expect(row).to_contain_text("7Q0c")
    assert SECRET not in page.content()
    row.get_by_role("button", name=f"Remove {name}").click()
    dialog.get_by_role("textbox").fill(name)
    dialog.get_by_role("button", name="Remove").click()
    expect(row).to_contain_text("Not set")
    (stored,) = [each for each in admin.rest.get(HUB_VARIABLES) if each["name"] == name]
    assert stored["source"] == "unset"
    page.get_by_role("button", name="New hub variable").click()
    dialog.get_by_label("Name", exact=True).fill("hub_lower")
    expect(dialog.get_by_text("A hub variable is written HUB_ and capitals, digits or underscores.")).to_be_visible()
    expect(dialog.get_by_role("button", name="Save")).to_be_disabled()


@pytest.mark.thorough
def test_the_schedule_is_changed_and_a_look_says_what_it_found(
    open_reader: MakeReader, admin: Admin, scene: Scene
) -> None:
    before = admin.rest.get("/api/admin/env-scheduler/status")["config"]
    page = open_reader(admin).go("/admin/variables?tab=schedule")
    form = page.get_by_role("region", name="Schedule")
    save = form.get_by_role("button", name="Save")

    form.get_by_label("Every", exact=True).fill("745")
    expect(form.get_by_text("A whole number from 1 to 744.")).to_be_visible()
    expect(save).to_be_disabled()
    form.get_by_label("Every", exact=True).fill("48")
    form.get_by_label("At", exact=True).fill("03:30")
    expect(form).to_contain_text("12:30 in your time zone")
    save.click()
    expect(page.get_by_text("The schedule was saved")).to_be_visible()
    page.get_by_role("button", name="Check now").click()

    outcome = page.get_by_role("region", name="Last check")
    expect(outcome).to_contain_text("asked for by admin")
    expect(outcome).to_contain_text("Not entered, so calls are refused")
    expect(outcome).to_contain_text("switched off")
    config = admin.rest.get("/api/admin/env-scheduler/status")["config"]
    assert (config["intervalHours"], config["scheduledTime"]) == (48, "03:30")
    admin.rest.post("/api/admin/env-scheduler/config", before)
