"""A newcomer's path, from a fresh hub to the first call that appears by itself; and the pictures of the guides.

`MCPHUB_DOCS_PICTURES=1 ./hub test tests/e2e/ui/test_newcomer.py` makes `docs/pictures/` anew.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.by_config import used
from tests.support.rest import Admin, Person, log_in
from tests.support.running import ROOT, RunningHub
from tests.support.session_by_hand import Session
from tests.support.upstreams import HttpServer, Upstreams
from tests.support.waiting import eventually

PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 150 * 1024
SIZE = {"width": 1280, "height": 800}
PASSWORD = "a new long Password 1"
TOKEN = "wiki-4c1d9a77"
WIKI = {"Authorization": "Bearer ${USER_WIKI_TOKEN}"}
TICKETS = {"Authorization": "Bearer ${USER_TICKETS_TOKEN}", "X-Project": "${USER_TICKETS_PROJECT}"}
ROUNDS = 12


@pytest.fixture(scope="module")
def fresh_hub(make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """Nobody has an account there."""
    running = RunningHub(make_home(), tmp_path_factory.mktemp("newcomer"), env={"MCPHUB_ADMIN_PASSWORD": ""})
    try:
        yield running.start()
    finally:
        running.end()


@pytest.fixture(scope="module")
def wiki(upstreams: Upstreams) -> HttpServer:
    return upstreams.http("wiki")


class Steps:
    """How long each step took."""

    def __init__(self) -> None:
        self.took: list[tuple[str, float]] = []
        self._began = time.monotonic()

    def done(self, name: str) -> None:
        now = time.monotonic()
        self.took.append((name, now - self._began))
        self._began = now

    def said(self) -> str:
        lines = [f"{name}: {seconds:.1f} s" for name, seconds in self.took]
        return "\n".join(["", *lines, f"altogether: {sum(seconds for _, seconds in self.took):.1f} s"])


def make_the_account(page: Page) -> None:
    page.get_by_label("User name").fill("ann")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_role("heading", name="Connect", exact=True)).to_be_visible()


def add_a_server(page: Page, server: HttpServer) -> None:
    page.get_by_role("link", name="Server config").click()
    page.locator(".cm-content").last.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(json.dumps({"mcpServers": {"wiki": server.config(headers=WIKI)}}, indent=2) + "\n")
    expect(page.get_by_role("complementary", name="Save will record")).to_contain_text("added wiki")
    page.keyboard.press("Control+s")
    expect(page.get_by_text("Saved as version #")).to_be_visible()


def save_a_value(page: Page) -> None:
    page.get_by_role("link", name="My settings").click()
    page.get_by_label("WIKI_TOKEN", exact=True).fill(TOKEN)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Unsaved changes")).to_have_count(0)


def make_a_group(page: Page) -> None:
    page.get_by_role("link", name="Groups", exact=True).click()
    page.get_by_role("button", name="New group").first.click()
    page.get_by_label("Name", exact=True).fill("on-call")
    page.get_by_label("Servers", exact=True).fill("wiki")
    page.get_by_role("option", name="wiki", exact=True).click()
    page.get_by_role("region", name="New group").get_by_role("button", name="New group").click()
    expect(page.get_by_role("grid", name="My groups").get_by_role("row").filter(has_text="on-call")).to_be_visible()


def copy_the_config(page: Page) -> None:
    page.get_by_role("link", name="Connect", exact=True).click()
    page.get_by_label("Name", exact=True).fill("notebook")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_role("status", name="Your key")).to_be_visible()
    expect(page.get_by_text("Waiting for the first call …")).to_be_visible()
    page.get_by_role("tabpanel").get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("tabpanel").get_by_role("button", name="Copied").first).to_be_visible()


def test_a_newcomer_comes_from_a_fresh_hub_to_the_first_call(
    fresh_hub: RunningHub, wiki: HttpServer, open_reader: MakeReader, capsys: pytest.CaptureFixture[str]
) -> None:
    eventually(lambda: "/setup#" in fresh_hub.said(), within=30, what="the set-up link is printed")
    link = next(word for word in fresh_hub.said().split() if "/setup#" in word).removeprefix(fresh_hub.url)
    reader = open_reader(url=fresh_hub.url, viewport=SIZE)
    steps = Steps()

    page = reader.go(link)
    make_the_account(page)
    steps.done("set-up link, and the first administrator")
    add_a_server(page, wiki)
    steps.done("a server, added in the editor")
    save_a_value(page)
    steps.done("a value, saved")
    make_a_group(page)
    steps.done("a group, made")
    copy_the_config(page)
    steps.done("a key, and what a client is told, copied")
    requests = reader.context.new_page()  # another tab, that was there before the call
    requests.goto(f"{fresh_hub.url}/admin/requests")
    expect(requests.get_by_role("heading", name="Requests", exact=True)).to_be_visible()
    expect(requests.get_by_role("row").filter(has_text="whoami")).to_have_count(0)
    answer = used(reader.clipboard(), "whoami", {"nonce": "first"})
    expect(page.get_by_role("status").filter(has_text="is connected")).to_be_visible()
    expect(requests.get_by_role("row").filter(has_text="whoami").first).to_be_visible()
    steps.done("a client, connected with what was copied, and its call seen")

    assert f"Bearer {TOKEN}" in answer["text"]  # what the server was sent is what was saved
    assert all("wiki" in name for name in answer["tools"])
    assert TOKEN not in page.content() + requests.content()
    assert reader.complaints == []
    page.get_by_role("status").filter(has_text="is connected").scroll_into_view_if_needed()
    picture(page, "connect-en-light")
    with capsys.disabled():
        print(steps.said())


# the pictures of the guides

on_demand = pytest.mark.skipif("MCPHUB_DOCS_PICTURES" not in os.environ, reason="MCPHUB_DOCS_PICTURES=1 makes them")


def picture(page: Page, name: str) -> None:
    """Of what the page shows now; only where pictures are asked for."""
    if "MCPHUB_DOCS_PICTURES" in os.environ:
        PICTURES.mkdir(exist_ok=True)
        file = PICTURES / f"{name}.png"
        page.screenshot(path=file)
        assert file.stat().st_size <= MOST_BYTES


@dataclass
class Company:
    """The newcomer's hub once others are there: made-up names, real calls, and when those began and ended."""

    ann: Admin
    minji: Person
    called: tuple[str, str]


@pytest.fixture(scope="module")
def company(fresh_hub: RunningHub, wiki: HttpServer, upstreams: Upstreams) -> Company:
    rest = log_in(fresh_hub.url, "ann", PASSWORD)
    ann = Admin(rest, rest.get("/api/user/me")["id"], "ann", PASSWORD)
    calendar, tickets = upstreams.http("calendar"), upstreams.http("tickets")
    ann.add_servers({"calendar": calendar.config(), "tickets": tickets.config(headers=TICKETS)})
    minji, jun, sofia = (ann.user(name) for name in ("minji", "jun", "sofia"))
    for person in (minji, jun, sofia):
        person.save("wiki", USER_WIKI_TOKEN=TOKEN)
        person.group("daily", "wiki", "calendar", "tickets")
    for person in (jun, sofia):
        person.save("tickets", USER_TICKETS_TOKEN="tickets-7c2e", USER_TICKETS_PROJECT="HUB")
    ann.set_admin(sofia.id, True)
    sessions = [
        Session(fresh_hub.url, person.key(), path=f"/mcp/{server}", client=client)
        for person, client in ((minji, "Cursor"), (jun, "VS Code"), (sofia, "Cursor"))
        for server in ("wiki", "calendar", *([] if person is minji else ["tickets"]))
    ]
    for session in sessions:
        session.tools()
    began = datetime.now(UTC)
    for turn in range(ROUNDS):
        for number, session in enumerate(sessions):
            session.call("sleep", ms=20 + 37 * ((turn * 5 + number * 3) % 11))
            session.call("echo" if turn % 4 else "no-such-tool", text="hello")
    for session in sessions:
        session.close()
    return Company(ann, minji, (moment(began), moment(datetime.now(UTC))))


def moment(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


@on_demand
@pytest.mark.optional
def test_requests_look_as_the_guides_show_them(company: Company, open_reader: MakeReader) -> None:
    began, ended = company.called
    reader = open_reader(company.ann, url=company.ann.url, viewport=SIZE)

    page = reader.go(f"/admin/requests?from={began}&to={ended}")
    reader.settled()

    picture(page, "requests-en-light")
    assert reader.complaints == []


@on_demand
@pytest.mark.optional
def test_the_audit_timeline_looks_as_the_guides_show_it(company: Company, open_reader: MakeReader) -> None:
    reader = open_reader(company.ann, url=company.ann.url, theme="dark", viewport={**SIZE, "height": 720})

    page = reader.go("/admin/audit?span=1h&q=-type:Tool*")
    reader.settled()

    picture(page, "audit-en-dark")
    assert reader.complaints == []


@on_demand
@pytest.mark.optional
def test_my_settings_look_as_the_guides_show_them(company: Company, open_reader: MakeReader) -> None:
    size = {**SIZE, "height": 480}
    reader = open_reader(company.minji, url=company.minji.url, language="ko", viewport=size)

    page = reader.go("/settings")
    page.get_by_role("button", name="연결 확인").first.click()
    reader.settled()

    picture(page, "settings-ko-light")
    assert reader.complaints == []


@on_demand
@pytest.mark.optional
def test_the_editor_looks_as_the_guides_show_it(company: Company, open_reader: MakeReader) -> None:
    ann = company.ann
    reader = open_reader(ann, url=ann.url, language="ko", theme="dark", viewport=SIZE)
    settings, _ = ann.settings()
    servers = settings["mcpServers"]
    del servers["calendar"]
    servers["tickets"]["headers"]["X-Project"] = "HUB"

    page = reader.go("/admin/config")
    page.locator(".cm-content").last.click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(json.dumps(settings, indent=2) + "\n")
    expect(page.get_by_role("complementary").filter(has_text="calendar").first).to_be_visible()
    reader.settled()

    picture(page, "config-ko-dark")
    assert reader.complaints == []
