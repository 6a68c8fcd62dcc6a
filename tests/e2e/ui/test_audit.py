"""The audit timeline: what happened, found by conditions, followed live, with what each event changed."""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.waiting import slower
from tests.support.web import Reader, UiPage, chosen, shows_again


def newest(admin: Admin) -> dict[str, Any]:
    found: dict[str, Any] = admin.rest.get("/api/audit?kind=fact&limit=1")[0]
    return found


def a_position(admin: Admin) -> str:
    return f"/admin/audit/{newest(admin)['position']}"


def a_subject(admin: Admin) -> str:
    return f"/admin/streams/user:{admin.id}"


PAGES = [
    UiPage("/admin/audit", who="auditor"),
    UiPage("/admin/audit/$position", who="auditor", state=a_position),
    UiPage("/admin/streams/$streamId", who="auditor", state=a_subject),
]


@pytest.fixture
def person(make_user: Callable[[str], Person]) -> Person:
    return make_user("planted")


@pytest.fixture
def watcher(open_reader: MakeReader, admin: Admin) -> Reader:
    """An administrator in front of the page."""
    return open_reader(admin)


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)


def ask(page: Page, query: str) -> None:
    field = page.get_by_role("searchbox")
    field.fill(query)
    field.press("Enter")


@pytest.mark.thorough
def test_an_event_made_elsewhere_appears_by_itself(watcher: Reader, person: Person) -> None:
    page = watcher.go(f"/admin/audit?q=actor:{person.username}")
    expect(page.get_by_role("button", name="Live", exact=True)).to_be_visible()

    person.group(f"live of {person.username}")

    mine = row(page, f"created group live of {person.username}")
    expect(mine).to_be_visible()
    expect(mine).to_contain_text(person.username)
    (fact,) = person.rest.get("/api/audit?type=GroupCreated")
    expect(mine).to_contain_text(str(fact["position"]))
    expect(page.get_by_role("main")).to_contain_text(f"head #{fact['position']:,}")


def test_an_event_made_elsewhere_is_on_the_open_timeline_within_a_second(watcher: Reader, person: Person) -> None:
    """From the moment the ledger gave the event to the moment its row is in the page, by one clock."""
    page = watcher.go("/admin/audit")
    expect(page.get_by_role("button", name="Live", exact=True)).to_be_visible()
    page.evaluate(NOTE_ROWS)

    for number in range(5):
        person.group(f"{number} of {person.username}")
        expect(row(page, f"created group {number} of {person.username}")).to_be_visible()

    seen: dict[str, float] = page.evaluate("window.seen")
    facts = person.rest.get("/api/audit?type=GroupCreated")
    late = [seen[str(fact["position"])] - datetime.fromisoformat(fact["at"]).timestamp() * 1000 for fact in facts]
    print(f"events were on the open timeline after {', '.join(f'{each:.0f}' for each in sorted(late))} ms")
    assert len(late) == 5
    assert max(late) < 1000 * slower()


NOTE_ROWS = """() => {
  window.seen = {};
  new MutationObserver(() => {
    const now = performance.timeOrigin + performance.now();
    for (const row of document.querySelectorAll("[data-row]")) window.seen[row.dataset.row] ??= now;
  }).observe(document.body, { childList: true, subtree: true });
}"""


@pytest.mark.thorough
def test_nothing_that_happens_while_it_is_paused_is_lost(watcher: Reader, person: Person) -> None:
    page = watcher.go(f"/admin/audit?q=actor:{person.username} type:Group*")
    expect(page.get_by_text("Nothing happened here")).to_be_visible()
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Paused", exact=True)).to_be_visible()
    assert "live=off" in page.url

    names = [f"{number} of {person.username}" for number in ("one", "two", "three")]
    for name in names:
        person.group(name)

    pill = page.get_by_role("button", name="3 new events")
    expect(pill).to_be_visible()
    expect(row(page, "created group")).to_have_count(0)
    page.keyboard.press("l")
    expect(row(page, "created group")).to_have_count(3)
    for name in names:
        expect(row(page, f"created group {name}")).to_be_visible()
    expect(pill).to_have_count(0)


@pytest.mark.thorough
def test_conditions_views_and_selection_stand_in_the_address(watcher: Reader, admin: Admin, person: Person) -> None:
    name = f"kept of {person.username}"
    person.group(name)
    admin.set_admin(person.id, True)
    admin.set_admin(person.id, False)
    page = watcher.go("/admin/audit")

    ask(page, f"user:{person.username} -type:SignedIn")
    expect(row(page, f"created group {name}")).to_be_visible()
    page.get_by_role("button", name="Privilege").click()
    expect(row(page, f"made {person.username} an admin")).to_be_visible()
    expect(row(page, name)).to_have_count(0)
    row(page, f"took the admin role from {person.username}").click()
    panel = page.get_by_role("complementary", name="Event")
    expect(panel).to_contain_text("AdminRevoked")
    expect(panel.get_by_role("row", name="admin")).to_contain_text("true")
    address = page.url

    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value(f"user:{person.username} -type:SignedIn")
    expect(panel).to_contain_text("AdminRevoked")
    page.go_back()
    expect(page.get_by_role("button", name="All", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(row(page, f"created group {name}")).to_be_visible()
    page.go_forward()
    expect(panel).to_contain_text("AdminRevoked")
    assert page.url == address


@pytest.mark.parametrize("when", ["a period", "a stretch of the plot"])
@pytest.mark.thorough
def test_reload_back_and_a_link_that_was_sent_show_what_was_chosen(
    watcher: Reader, open_reader: MakeReader, admin: Admin, person: Person, when: str
) -> None:
    for number in range(3):
        person.group(f"{number} of {person.username}")
    made = person.rest.get("/api/audit?type=GroupCreated")
    page = watcher.go("/admin/audit")
    ask(page, f"user:{person.username} category:groups")
    page.keyboard.press("Escape")  # its help would lie over the plot
    expect(page.get_by_text("3 in this period")).to_be_visible()
    if when == "a period":
        page.get_by_label("Period").click()
        page.get_by_role("option", name="7 days").click()
        expect(page.get_by_label("Period")).to_have_text("7 days")
    else:
        box = page.get_by_role("figure").locator("svg").bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 4, box["y"] + 20)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 4, box["y"] + 20, steps=4)
        page.mouse.up()
        expect(page).to_have_url(re.compile("from=.*to="))
    page.get_by_role("button", name="Privilege").click()
    expect(page.get_by_text("Nothing happened here")).to_be_visible()
    page.get_by_role("button", name="All", exact=True).click()
    expect(row(page, "created group")).to_have_count(3)
    page.get_by_role("grid").focus()
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Paused", exact=True)).to_be_visible()
    row(page, f"created group 1 of {person.username}").click()
    expect(page.get_by_role("complementary", name="Event")).to_contain_text("GroupCreated")
    was = chosen(page)
    assert (was["rows"], was["row"]) == ([str(fact["position"]) for fact in made], [str(made[1]["position"])])

    page.reload()
    shows_again(page, was)
    watcher.go("/connect")
    page.go_back()
    shows_again(page, was)
    shows_again(open_reader(admin).go(watcher.path()), was)
    page.get_by_role("button", name="Privilege").click()
    expect(page.get_by_text("Nothing happened here")).to_be_visible()
    page.go_back()
    shows_again(page, was)


@pytest.mark.thorough
def test_an_event_shows_what_it_changed_and_leads_along_its_subject(watcher: Reader, person: Person) -> None:
    old, new = f"old of {person.username}", f"new of {person.username}"
    group = person.group(old)["id"]
    person.rest.put(f"/api/user/groups/{group}", {"name": new, "servers": []})
    changed, created = person.rest.get(f"/api/audit?tag=group:{group}")
    page = watcher.go("/admin/audit")

    ask(page, f"#{changed['position']}")
    panel = page.get_by_role("complementary", name="Event")
    name = panel.get_by_role("row", name="name", exact=False).filter(has_text=old)
    expect(name).to_contain_text(new)
    expect(panel).to_contain_text(f"group/{new}@2")
    expect(panel).to_contain_text("The hash fits the event and the one before it.")
    page.get_by_role("heading", name="Audit timeline").click()
    page.keyboard.press("[")
    expect(panel).to_contain_text(f"group/{new}@1")
    page.keyboard.press("]")
    expect(panel).to_contain_text(f"#{changed['position']}")
    panel.get_by_role("link", name=f"group/{new}@2").click()

    expect(watcher.heading("Events of one subject")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="group")).to_have_count(2)
    page.keyboard.press("Escape")
    row(page, f"created group {old}").dblclick()
    expect(watcher.heading(f"Event #{created['position']}")).to_be_visible()


def test_a_refusal_stands_among_the_failures_with_its_reason(watcher: Reader, person: Person) -> None:
    person.rest.ask("GET", "/api/admin/users", expect=403)
    person.rest.ask("POST", "/api/servers", expect=403, json={"name": "x", "config": {}})
    page = watcher.go(f"/admin/audit?view=failures&q=actor:{person.username}")

    refused = row(page, "was refused POST /api/servers")
    expect(refused).to_be_visible()
    refused.click()

    panel = page.get_by_role("complementary", name="Event")
    expect(panel).to_contain_text("admin_required")
    expect(panel.get_by_text("127.0.0.1")).to_be_visible()


@pytest.mark.thorough
def test_the_plot_counts_what_the_list_holds_and_a_stretch_of_it_is_looked_at_alone(
    watcher: Reader, person: Person
) -> None:
    for number in range(3):
        person.group(f"{number} of {person.username}")
    page = watcher.go(f"/admin/audit?span=1h&q=user:{person.username} category:groups")
    expect(page.get_by_text("3 in this period")).to_be_visible()
    expect(row(page, "created group")).to_have_count(3)

    plot = page.get_by_role("figure").locator("svg")
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 4, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20, steps=4)
    page.mouse.up()

    expect(page.get_by_text("0 in this period")).to_be_visible()
    expect(page.get_by_text("Nothing happened here")).to_be_visible()
    assert "from=" in page.url
    page.get_by_role("button", name="Back to now").click()
    expect(row(page, "created group")).to_have_count(3)


@pytest.mark.thorough
def test_a_stretch_of_the_plot_is_chosen_by_keyboard(watcher: Reader, person: Person) -> None:
    for number in range(3):
        person.group(f"{number} of {person.username}")
    page = watcher.go(f"/admin/audit?span=1h&q=user:{person.username} category:groups")
    expect(page.get_by_text("3 in this period")).to_be_visible()
    plot = page.get_by_role("slider", name="Events over time")
    bins = int(plot.get_attribute("aria-valuemax") or 0)

    plot.focus()
    assert plot.get_attribute("aria-valuenow") == str(bins), "it begins at the newest"
    for keys in ("ArrowLeft", "ArrowLeft", "Shift+ArrowRight", "Shift+ArrowRight", "Enter"):
        plot.press(keys)
    expect(page).to_have_url(re.compile("from=.*to="))
    expect(row(page, "created group")).to_have_count(3)
    page.get_by_role("button", name="Back to now").click()
    for keys in ("Home", "Enter"):
        plot.press(keys)

    expect(page.get_by_text("0 in this period")).to_be_visible()


@pytest.mark.thorough
def test_the_keyboard_walks_the_list_and_opens_an_event(watcher: Reader, person: Person) -> None:
    for name in ("a", "b"):
        person.group(f"{name} of {person.username}")
    (second, first) = person.rest.get("/api/audit?type=GroupCreated")
    page = watcher.go(f"/admin/audit?q=user:{person.username} type:GroupCreated")
    expect(row(page, "created group")).to_have_count(2)

    page.keyboard.press("j")
    expect(page).to_have_url(re.compile(rf"e=%22{second['position']}%22|e={second['position']}"))
    page.keyboard.press("j")
    panel = page.get_by_role("complementary", name="Event")
    expect(panel).to_contain_text(f"#{first['position']}")
    page.get_by_role("grid").focus()
    page.keyboard.press("Enter")

    expect(watcher.heading(f"Event #{first['position']}")).to_be_visible()


def test_the_words_that_can_be_asked_are_taken_by_keyboard(watcher: Reader) -> None:
    page = watcher.go("/admin/audit")
    field = page.get_by_role("searchbox")

    field.fill("type:Nothing*")
    field.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("button", name=re.compile("^user:"))).to_be_focused()
    page.keyboard.press("Enter")
    expect(field).to_be_focused()
    expect(field).to_have_value("type:Nothing* user:")
    assert "Nothing" not in page.url, "an unfinished query is not put to use"
    field.press("ArrowDown")
    page.keyboard.press("Escape")
    expect(field).to_be_focused()
    field.press("Tab")
    expect(page).to_have_url(re.compile("Nothing"))


def test_a_number_that_is_no_event_and_a_condition_that_asks_nothing_are_said(watcher: Reader) -> None:
    page = watcher.go("/admin/audit?q=latency:>=2s")
    expect(page.get_by_text("The hub cannot be asked that.")).to_contain_text("latency:>=2s")

    watcher.go("/admin/audit/999999999")

    expect(page.get_by_text("There is no such event")).to_be_visible()


@pytest.mark.thorough
def test_the_page_is_not_for_everybody(reader: Reader) -> None:
    reader.go("/admin/audit")

    expect(reader.heading("This page is for administrators and auditors")).to_be_visible()
