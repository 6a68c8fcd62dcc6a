"""The settings document, edited: what a save will record, what stands in its way, two at once; and its versions."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, pages
from tests.support.web import Reader, UiPage

PAGES = [
    UiPage("/admin/config", who="admin"),
    UiPage("/admin/config/history", who="admin"),
]
PLAIN = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}
LITERAL = "xoxb-0123456789abcdefABCDEF0123"  # scan:allow


@pytest.fixture
def editor(open_reader: MakeReader, admin: Admin) -> Reader:
    return open_reader(admin)


def text_of(admin: Admin) -> str:
    return str(admin.rest.get("/api/admin/settings-file")["text"])


def document(admin: Admin) -> dict[str, Any]:
    return dict(json.loads(text_of(admin)))


def opened(reader: Reader, path: str = "/admin/config") -> Page:
    page = reader.go(path)
    expect(page.locator(".cm-content").first).to_be_visible()
    return page


def write(page: Page, text: str) -> None:
    """Puts a text in place of the editor's."""
    page.locator(".cm-content").last.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)


def change(page: Page, admin: Admin, edit: Callable[[dict[str, Any]], None]) -> None:
    settings = document(admin)
    edit(settings)
    write(page, json.dumps(settings, indent=2) + "\n")


def panel(page: Page) -> Locator:
    return page.get_by_role("complementary", name="Save will record")


def save(page: Page) -> Locator:
    return page.get_by_role("button", name="Save", exact=True)


def test_what_a_save_will_record_is_shown_and_then_recorded(
    admin: Admin, editor: Reader, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    old, new = fresh_name("old"), fresh_name("new")
    serve({old: PLAIN})
    page = opened(editor)

    def edit(settings: dict[str, Any]) -> None:
        settings["mcpServers"][old]["url"] = "http://127.0.0.1:9/other"
        settings["mcpServers"][new] = {**PLAIN, "headers": {"Authorization": "Bearer ${USER_UI_NEW}"}}

    change(page, admin, edit)
    expect(panel(page)).to_contain_text(f"changed {old}")
    expect(panel(page)).to_contain_text('url − "http://127.0.0.1:9/mcp" + "http://127.0.0.1:9/other"')
    expect(panel(page)).to_contain_text(f"added {new}")
    expect(panel(page)).to_contain_text(f"{new} asks for USER_UI_NEW")
    active = sum(user["isActive"] for user in pages(admin.rest, "/api/admin/users", {}))
    expect(panel(page)).to_contain_text(re.compile(f"{new}: {active} users? ha(s|ve) no USER_UI_NEW yet"))
    expect(page.get_by_text("Saving records 4 events.")).to_be_visible()
    expect(page.get_by_role("navigation", name="Servers").get_by_label("added")).to_have_count(1)
    page.keyboard.press("Control+s")

    expect(page.get_by_text("Saved as version #")).to_be_visible()
    expect(panel(page)).to_contain_text("Nothing has changed.")
    assert document(admin)["mcpServers"][old]["url"] == "http://127.0.0.1:9/other"
    (version,) = admin.rest.get("/api/admin/settings-file/versions?limit=1")
    assert [one["type"] for one in version["changes"]] == [
        "ServerChanged",
        "ServerAdded",
        "SecretSlotDeclared",
        "SettingsFileImported",
    ]
    expect(page.get_by_text(f"version #{version['version']:,}", exact=False).first).to_be_visible()
    admin.remove_servers(new)


def test_a_mistake_is_marked_with_its_fix_and_cannot_be_saved(
    admin: Admin, editor: Reader, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("typo")
    serve({name: PLAIN})
    page = opened(editor)

    write(page, '{"mcpServers": {,}}')
    expect(panel(page)).to_contain_text("A key in quotes belongs here")
    expect(save(page)).to_be_disabled()

    change(page, admin, lambda settings: settings["mcpServers"][name].update(descripton="x", type="ssh"))
    expect(panel(page)).to_contain_text("Did you mean description?")
    expect(panel(page)).to_contain_text(f"/mcpServers/{name}/type")
    expect(page.get_by_text("Correct them to save.")).to_be_visible()
    expect(save(page)).to_be_disabled()

    panel(page).get_by_role("button", name="Did you mean description?").click()
    page.locator(".cm-lintRange-warning", has_text='"descripton"').hover()
    page.get_by_role("button", name="Make it description").click()
    expect(page.locator(".cm-content")).to_contain_text('"description": "x"')


@pytest.mark.thorough
def test_a_literal_secret_is_warned_of_and_sealed(
    admin: Admin, editor: Reader, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("literal")
    serve({name: PLAIN})
    page = opened(editor)

    change(page, admin, lambda settings: settings["mcpServers"][name].update(headers={"X-Api-Key": LITERAL}))
    expect(panel(page).get_by_label("Warning").first).to_be_visible()
    expect(panel(page)).to_contain_text("••••")
    assert LITERAL not in panel(page).inner_text()
    save(page).click()

    expect(page.get_by_text("Saved as version #")).to_be_visible()
    expect(page.locator(".cm-content")).not_to_contain_text(LITERAL)
    assert LITERAL not in page.content()
    assert LITERAL not in text_of(admin)


def test_keys_values_and_variables_are_completed(
    admin: Admin, editor: Reader, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("complete")
    serve({name: {**PLAIN, "headers": {"X-A": "${USER_UI_KNOWN}"}}})
    page = opened(editor)
    options = page.locator(".cm-tooltip-autocomplete")

    write(page, '{"mcpServers": {"a": {')
    page.keyboard.type('"tim')
    page.keyboard.press("Control+Space")
    expect(options).to_contain_text('"idleTimeoutMs"number')
    page.keyboard.press("Escape")
    write(page, '{"x": "${USER_UI_KNOWN}", "mcpServers": {"a": {"visibility": "", "url": ""}}}')
    for _ in range(4):
        page.keyboard.press("ArrowLeft")
    page.keyboard.type("${USER_UI_KN")
    page.keyboard.press("Control+Space")
    expect(options).to_contain_text("USER_UI_KNOWN")
    page.wait_for_timeout(200)  # for 75 ms the editor takes no key for its list: it may have been meant for the text
    page.keyboard.press("Enter")
    expect(page.locator(".cm-content")).to_contain_text('"url": "${USER_UI_KNOWN}"')


@pytest.mark.thorough
def test_a_server_goes_only_when_its_name_is_typed(
    admin: Admin, editor: Reader, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    kept, gone = fresh_name("kept"), fresh_name("gone")
    serve({kept: PLAIN})
    admin.add_servers({gone: PLAIN})
    page = opened(editor)

    change(page, admin, lambda settings: settings["mcpServers"].pop(gone))
    expect(panel(page)).to_contain_text(f"removed {gone}")
    save(page).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Save and remove")).to_be_disabled()
    dialog.get_by_role("textbox").fill(gone)
    dialog.get_by_role("button", name="Save and remove").click()

    expect(page.get_by_text("Saved as version #")).to_be_visible()
    assert gone not in document(admin)["mcpServers"]
    assert kept in document(admin)["mcpServers"]


def test_what_somebody_saved_meanwhile_is_not_overwritten_but_chosen(
    admin: Admin, editor: Reader, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    name, other = fresh_name("both"), fresh_name("theirs")
    serve({name: {**PLAIN, "description": "at first"}})
    page = opened(editor)

    change(page, admin, lambda settings: settings["mcpServers"][name].update(description="mine", idleTimeoutMs=5000))
    expect(save(page)).to_be_enabled()
    serve({name: {**PLAIN, "description": "theirs"}, other: PLAIN})
    save(page).click()

    expect(page.get_by_text("while you were typing")).to_be_visible()
    assert document(admin)["mcpServers"][name]["description"] == "theirs"
    page.get_by_role("button", name="Look at both").click()
    dialog = page.get_by_role("dialog")
    for text in ('"at first"', '"mine"', '"theirs"'):
        expect(dialog).to_contain_text(text)
    expect(dialog.get_by_role("button", name="1 left to choose")).to_be_disabled()
    dialog.get_by_role("button", name="Take theirs").click()
    dialog.get_by_role("button", name="Go on with both").click()
    expect(panel(page)).to_contain_text("idleTimeoutMs + 5000")
    expect(panel(page)).not_to_contain_text("description")
    save(page).click()

    expect(page.get_by_text("Saved as version #")).to_be_visible()
    entry = document(admin)["mcpServers"][name]
    assert (entry["description"], entry["idleTimeoutMs"]) == ("theirs", 5000)
    assert other in document(admin)["mcpServers"]


@pytest.mark.thorough
def test_servers_of_a_clients_file_are_taken_over_with_variables_for_secrets(
    admin: Admin, editor: Reader, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    name = fresh_name("imported")
    serve({fresh_name("present"): PLAIN})
    page = opened(editor, "/admin/config?view=text")
    given = {name: {"command": "npx", "args": ["-y", "x@1.0.0"], "env": {"X_TOKEN": LITERAL}}}

    page.get_by_role("button", name="Import", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox").fill("no json")
    expect(dialog.get_by_role("alert")).to_contain_text("There is no server in this text.")
    dialog.get_by_role("textbox").fill(json.dumps({"mcpServers": given}))
    expect(dialog).to_contain_text("asks each user instead: env.X_TOKEN")
    dialog.get_by_role("button", name="Put 1 into the document").click()

    expect(panel(page)).to_contain_text(f"added {name}")
    expect(page.locator(".cm-content")).to_contain_text('"X_TOKEN": "${USER_X_TOKEN}"')
    assert LITERAL not in page.content()
    page.get_by_role("button", name="Revert", exact=True).click()
    expect(page.locator(".cm-content")).not_to_contain_text(name)


@pytest.mark.thorough
def test_nobody_leaves_a_changed_document_unasked_and_old_links_lead_to_it(
    admin: Admin, editor: Reader, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    serve({fresh_name("stay"): PLAIN})
    for old in ("/admin/settings", "/admin/mcp-servers"):
        page = opened(editor, old)
        assert editor.path() == "/admin/config"

    change(page, admin, lambda settings: settings.update(own={"kept": True}))
    expect(save(page)).to_be_enabled()
    page.get_by_role("link", name="History", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Stay").click()

    expect(page.locator(".cm-content")).to_contain_text('"kept": true')


@pytest.mark.thorough
def test_two_versions_are_compared_and_the_older_one_comes_back_as_a_new_save(
    admin: Admin, editor: Reader, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    name, later = fresh_name("was"), fresh_name("later")
    serve({name: {**PLAIN, "description": "as it was"}})
    first = admin.rest.get("/api/admin/settings-file")["version"]
    serve({name: {**PLAIN, "description": "as it is"}, later: PLAIN})
    page = opened(editor, "/admin/config/history")
    compared = page.get_by_role("region", name="Comparison")
    expect(compared).to_contain_text('"as it was"')
    expect(compared).to_contain_text('"as it is"')
    expect(compared.get_by_role("button", name="Current version")).to_be_disabled()

    page.get_by_role("button", name=f"#{first:,}", exact=True).click()
    expect(compared).not_to_contain_text('"as it is"')
    assert f"v={first}" in page.url
    compared.get_by_role("button", name="Restore").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(f"removed {later}")
    expect(dialog).to_contain_text(f"changed {name}")
    dialog.get_by_role("textbox").fill(later)
    dialog.get_by_role("button", name="Restore", exact=True).click()

    expect(page.get_by_text(f"Restored version #{first:,}")).to_be_visible()
    assert document(admin)["mcpServers"][name]["description"] == "as it was"
    assert later not in document(admin)["mcpServers"]
    expect(page.get_by_role("navigation", name="Versions").get_by_text("restore", exact=True)).to_have_count(1)
