"""One's own values: typed, tested, saved, masked afterwards; and what is said when something is wrong."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.web import Reader, UiPage

PAGES = [UiPage("/settings")]
TOKEN = "pat-0123456789abcdef7Q0c"


@pytest.fixture
def servers(serve: Callable[..., None], fresh_name: Callable[[str], str]) -> tuple[str, str]:
    """One that nobody answers for and asks for an address and a token, and one that asks for the same token."""
    jira, git = fresh_name("jira"), fresh_name("git")
    base = "http://127.0.0.1:9/mcp"
    headers = {"Authorization": "Bearer ${USER_UI_TOKEN}", "X-Site": "${USER_UI_SITE}"}
    slots = {"UI_SITE": {"isSecret": False, "validationRegex": "^[a-z]+$", "required": False}}
    serve(
        {
            jira: {"type": "streamable-http", "url": base, "headers": headers, "mcphub": {"slots": slots}},
            git: {"type": "streamable-http", "url": base, "headers": {"Authorization": "Bearer ${USER_UI_TOKEN}"}},
        }
    )
    return jira, git


def card(page: Page, server: str) -> Locator:
    return page.get_by_role("region", name=server, exact=True)


def test_a_token_is_hidden_while_typed_and_masked_once_saved(reader: Reader, servers: tuple[str, str]) -> None:
    jira, git = servers
    page = reader.go("/settings")
    field = card(page, jira).get_by_label("UI_TOKEN", exact=True)

    field.fill(TOKEN)
    expect(field).to_have_attribute("data-hidden", "true")
    card(page, jira).get_by_role("button", name="Show what you type").first.click()
    expect(field).not_to_have_attribute("data-hidden", "true")
    expect(card(page, jira)).to_contain_text("Not saved yet")
    page.keyboard.press("Control+s")

    expect(page.get_by_text("also for 1 servers")).to_be_visible()
    for server in (jira, git):
        expect(card(page, server)).to_contain_text("••••••••7Q0c")
    assert TOKEN not in page.content()
    page.reload()
    expect(card(page, jira)).to_contain_text("••••••••7Q0c")
    assert TOKEN not in page.content()


@pytest.mark.thorough
def test_a_value_of_another_form_is_said_before_and_after_saving(reader: Reader, servers: tuple[str, str]) -> None:
    page = reader.go("/settings")
    site = card(page, servers[0]).get_by_label("UI_SITE", exact=True)

    site.fill("not lower case!")
    wrong = card(page, servers[0]).get_by_text("This does not have the form the server expects.")
    expect(wrong).to_be_visible()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(page.get_by_role("alert").filter(has_text="form the server expects")).not_to_have_count(0)
    expect(site).to_have_value("not lower case!")
    site.fill("acme")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Unsaved changes")).to_have_count(0)
    expect(site).to_have_value("acme")


def test_a_test_of_what_is_typed_says_how_far_it_came(reader: Reader, servers: tuple[str, str]) -> None:
    page = reader.go("/settings")
    card(page, servers[1]).get_by_label("UI_TOKEN", exact=True).fill(TOKEN)

    card(page, servers[1]).get_by_role("button", name="Test").click()

    expect(card(page, servers[1]).get_by_role("alert")).to_contain_text("No connection.")
    assert TOKEN not in card(page, servers[1]).get_by_role("alert").inner_text()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(card(page, servers[1])).to_contain_text("Not tested")


@pytest.mark.thorough
def test_lines_of_an_env_file_fill_the_fields(reader: Reader, servers: tuple[str, str]) -> None:
    page = reader.go("/settings")
    box = card(page, servers[0])
    box.get_by_label("UI_TOKEN", exact=True).focus()

    page.evaluate("text => navigator.clipboard.writeText(text)", f"USER_UI_TOKEN={TOKEN}\nUI_SITE=acme\n")
    page.keyboard.press("Control+v")

    expect(box.get_by_label("UI_TOKEN", exact=True)).to_have_value(TOKEN)
    expect(box.get_by_label("UI_SITE", exact=True)).to_have_value("acme")


@pytest.mark.thorough
def test_an_optional_value_can_be_removed_and_a_change_of_mind_keeps_it(
    open_reader: MakeReader,
    make_user: Callable[[str], Person],
    serve: Callable[..., None],
    fresh_name: Callable[[str], str],
) -> None:
    server, person = fresh_name("opt"), make_user("ann")
    config = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp", "headers": {"X-A": "${USER_UI_OPTIONAL}"}}
    serve({server: {**config, "mcphub": {"slots": {"UI_OPTIONAL": {"required": False}}}}})
    person.save(server, USER_UI_OPTIONAL=TOKEN)
    page = open_reader(person).go("/settings")

    card(page, server).get_by_role("button", name="Remove: UI_OPTIONAL").click()
    expect(card(page, server)).to_contain_text("Will be removed when you save")
    card(page, server).get_by_role("button", name="Keep the saved value: UI_OPTIONAL").click()
    card(page, server).get_by_role("button", name="Remove: UI_OPTIONAL").click()
    page.get_by_role("button", name="Save", exact=True).click()

    expect(card(page, server).get_by_label("UI_OPTIONAL", exact=True)).to_have_value("")
    assert server not in person.rest.get("/api/user-env-vars")


@pytest.mark.thorough
def test_nobody_leaves_with_something_unsaved_unasked(reader: Reader, servers: tuple[str, str]) -> None:
    page = reader.go("/settings")
    card(page, servers[0]).get_by_label("UI_SITE", exact=True).fill("acme")

    page.get_by_role("link", name="Connect").click()
    page.get_by_role("dialog").get_by_role("button", name="Stay").click()
    expect(card(page, servers[0]).get_by_label("UI_SITE", exact=True)).to_have_value("acme")
    page.get_by_role("link", name="Connect").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave").click()

    expect(reader.heading("Connect")).to_be_visible()


@pytest.mark.thorough
def test_a_search_narrows_the_page_and_stands_in_the_address(reader: Reader, servers: tuple[str, str]) -> None:
    page = reader.go("/settings")

    page.keyboard.press("/")
    page.keyboard.type(servers[1])
    expect(card(page, servers[0])).to_have_count(0)
    expect(card(page, servers[1])).to_be_visible()
    page.reload()

    expect(page.get_by_role("searchbox")).to_have_value(servers[1])
    expect(card(page, servers[1])).to_be_visible()


@pytest.mark.thorough
def test_a_server_that_is_switched_off_says_so(admin: Admin, reader: Reader, servers: tuple[str, str]) -> None:
    admin.rest.post(f"/api/servers/{servers[1]}/toggle", {"enabled": False})
    page = reader.go("/settings")

    expect(card(page, servers[1])).to_contain_text("Off by admin")
    expect(card(page, servers[1]).get_by_role("button", name="Test")).to_be_disabled()


@pytest.mark.thorough
def test_a_variable_tells_its_own_history_and_no_value(
    open_reader: MakeReader, make_user: Callable[[str], Person], servers: tuple[str, str]
) -> None:
    person = make_user("ann")
    person.save(servers[0], USER_UI_SITE="acme", USER_UI_TOKEN=TOKEN)
    person.save(servers[0], USER_UI_SITE=None)
    person.save(servers[0], USER_UI_SITE="other")
    page = open_reader(person).go("/settings")

    card(page, servers[0]).get_by_role("button", name="History of UI_SITE").click()

    entries = page.get_by_role("dialog", name="History of UI_SITE").get_by_role("listitem")
    expect(entries).to_have_count(3)
    for entry, word in zip(entries.all(), ("saved", "removed", "saved"), strict=True):
        expect(entry).to_contain_text(word)
    page.keyboard.press("Escape")
    expect(entries).to_have_count(0)
    card(page, servers[1]).get_by_role("button", name="History of UI_TOKEN").click()
    expect(page.get_by_role("dialog", name="History of UI_TOKEN").get_by_role("listitem")).to_have_count(1)
    assert TOKEN not in page.content()
