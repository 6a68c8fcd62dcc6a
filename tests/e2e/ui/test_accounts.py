"""Somebody with a password and somebody from GitHub do everything a user does, step by step the same."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.by_hand import listed
from tests.support.company import Company, Way, company
from tests.support.running import RunningHub
from tests.support.upstreams import HttpServer, Upstreams
from tests.support.web import Reader

TOKEN = "pat-0123456789abcdef7Q0c"  # scan:allow


class Account(NamedTuple):
    """Somebody, and how they come in from the page that asks who they are."""

    username: str
    comes_from: str
    enter: Callable[[Reader], None]


@pytest.fixture(scope="module")
def somewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with company(tmp_path_factory.mktemp("company"), behind_proxy=False) as made:
        yield made


@pytest.fixture(scope="module")
def their_hub(
    somewhere: Company, make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningHub]:
    """A hub that lets the company's people in at once, and those with a password."""
    env = {**somewhere.env, "MCPHUB_NEW_USERS": "active"}
    running = RunningHub(make_home(), tmp_path_factory.mktemp("accounts"), env=env)
    try:
        yield running.start()
    finally:
        running.end()


@pytest.fixture(scope="module")
def wiki(their_hub: RunningHub, upstreams: Upstreams) -> HttpServer:
    """Asks for a token, and tells what reached it."""
    made = upstreams.http("wiki")
    slots = {"WIKI_TOKEN": {"required": False}}
    headers = {"Authorization": "Bearer ${USER_WIKI_TOKEN}"}
    their_hub.admin.add_servers({made.name: made.config(headers=headers, mcphub={"slots": slots})})
    return made


@pytest.fixture(params=["github", pytest.param("local", marks=pytest.mark.thorough)])
def account(request: pytest.FixtureRequest, their_hub: RunningHub, somewhere: Company) -> Account:
    if request.param == "local":
        person = their_hub.admin.user("ann", sign_in=False)
        texts = ("User name", "Password", "Sign in")
        return Account("ann", "Password", lambda reader: reader.sign_in_by_form(person, texts=texts))
    name = Way(their_hub, somewhere, "github").somebody()
    return Account(name, "GitHub", lambda reader: reader.page.get_by_role("link", name="Continue with GitHub").click())


def test_somebody_does_everything_a_user_does(
    open_reader: MakeReader, their_hub: RunningHub, wiki: HttpServer, account: Account
) -> None:
    reader = open_reader(url=their_hub.url)
    reader.go("/login")
    account.enter(reader)
    expect(reader.heading("Connect")).to_be_visible()

    makes_keys(reader)
    enters_a_value(reader, wiki.name)
    narrows_what_is_listed(reader, wiki.name)
    runs_a_tool(reader, wiki.name)
    removes_the_value(reader, wiki.name)
    sees_what_they_did(reader)
    ends_sessions(reader, open_reader(url=their_hub.url), account)
    assert reader.complaints == []


def makes_keys(reader: Reader) -> None:
    """The first call with a key appears; keys are extended, rotated and revoked."""
    page = reader.page
    page.get_by_label("Name", exact=True).fill("notebook")
    page.get_by_role("button", name="Make a key").click()
    page.get_by_role("button", name="Show the key").click()
    key = page.get_by_role("status", name="Your key").inner_text()
    assert "wiki__whoami" in listed(reader.url, key)
    expect(page.get_by_role("status").filter(has_text="is connected")).to_contain_text("Cursor 2.1 is connected")

    def act(what: str) -> None:
        page.get_by_role("button", name="Actions for notebook", exact=True).last.click()
        page.get_by_role("menuitem", name=what).click()

    act("Extend")
    expect(page.get_by_text("notebook works for 90 more days")).to_be_visible()
    act("Rotate")
    page.get_by_role("dialog").get_by_role("button", name="Rotate").click()
    expect(page.get_by_text("notebook was rotated")).to_be_visible()


def enters_a_value(reader: Reader, server: str) -> None:
    """Typed, tested before it is saved, saved, masked."""
    page = reader.go("/settings")
    box = page.get_by_role("region", name=server, exact=True)
    box.get_by_label("WIKI_TOKEN", exact=True).fill(TOKEN)
    box.get_by_role("button", name=f"Test: {server}").click()
    expect(box.get_by_role("status")).to_contain_text(re.compile(r"Connected in .+, 12 tools"))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(box).to_contain_text("••••••••7Q0c")
    assert TOKEN not in page.content()


def narrows_what_is_listed(reader: Reader, server: str) -> None:
    """A group is made, edited, switched off and on, and deleted."""
    page = reader.go("/user-groups")
    page.get_by_role("button", name="New group").first.click()
    page.get_by_label("Name", exact=True).fill("backend")
    page.get_by_label("Servers", exact=True).fill(server)
    page.get_by_role("option", name=server, exact=True).click()
    page.get_by_role("region", name="New group").get_by_role("button", name="New group").click()
    rule = page.get_by_role("status").filter(has_text="Clients see")
    expect(rule).to_contain_text("1 server, 12 tools")
    expect(page.get_by_role("region", name="New group")).to_have_count(0)
    page.get_by_role("grid", name="My groups").focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("row", name="backend", selected=True)).to_be_visible()
    page.keyboard.press("Enter")
    page.get_by_label("Name", exact=True).fill("platform")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(reader.heading("platform")).to_be_visible()
    switch = page.get_by_role("switch", name="platform on")
    for _ in range(2):
        on = switch.is_checked()
        switch.click()
        expect(switch).to_be_checked(checked=not on)
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("You have no group", exact=True)).to_be_visible()


def runs_a_tool(reader: Reader, server: str) -> None:
    """The server is called with the reader's own token."""
    page = reader.go(f"/servers?q={server}")
    page.get_by_role("grid", name="Servers").get_by_role("link", name=server, exact=True).click()
    page.get_by_role("tab", name="Tools").click()
    page.get_by_role("link", name="whoami", exact=True).click()
    page.get_by_role("button", name="Run", exact=False).click()
    result = page.get_by_role("region", name="Result", exact=True)
    expect(result).to_contain_text("done")
    result.get_by_role("button", name="as text").click()
    assert json.loads(result.locator("pre").inner_text())["facts"]["authorization"] == f"Bearer {TOKEN}"


def removes_the_value(reader: Reader, server: str) -> None:
    page = reader.go("/settings")
    box = page.get_by_role("region", name=server, exact=True)
    box.get_by_role("button", name="Remove: WIKI_TOKEN").click()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(box.get_by_label("WIKI_TOKEN", exact=True)).to_have_value("")


def sees_what_they_did(reader: Reader) -> None:
    page = reader.go("/activity")
    rows = page.get_by_role("row")
    for text in ("tools/list", "whoami"):
        expect(rows.filter(has_text=text).first).to_be_visible()
    page.get_by_role("button", name="Events").click()
    done = ("Key made", "Key extended", "Key rotated", "Value saved", "Value removed", "Group made", "Group changed")
    for text in (*done, "Group switched off", "Group switched on", "Group deleted"):
        expect(rows.filter(has_text=text).first).to_contain_text("you")


def ends_sessions(reader: Reader, elsewhere: Reader, account: Account) -> None:
    """One in another browser, then one's own; and the door opens again."""
    elsewhere.go("/login")
    account.enter(elsewhere)
    elsewhere.page.wait_for_url(re.compile("/(connect|servers)"))

    page = reader.go("/settings/profile")
    expect(page.get_by_role("region", name="Account")).to_contain_text(account.comes_from)
    rows = page.get_by_role("region", name="Signed in", exact=True).get_by_role("row")
    expect(rows).to_have_count(1 + 2)
    rows.get_by_role("button", name="End the session").click()
    expect(rows).to_have_count(1 + 1)
    elsewhere.page.reload()
    elsewhere.page.wait_for_url("**/login**")

    page.get_by_role("button", name="Account").click()
    page.get_by_role("menuitem", name="Sign out").click()
    page.wait_for_url("**/login")
    expect(page.get_by_role("link", name="Continue with GitHub")).to_be_visible()
    assert reader.context.request.get(f"{reader.url}/api/user/me").status == 401
    account.enter(reader)
    page.wait_for_url("**/servers")
