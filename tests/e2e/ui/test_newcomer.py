"""A newcomer's path, from a fresh hub to the first call that appears by itself; and the pictures of the guides.

`MCPHUB_DOCS_PICTURES=1 ./hub test tests/e2e/ui/test_newcomer.py` makes `docs/pictures/` anew.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
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
from tests.support.web import Language, Theme

PICTURES = ROOT / "docs" / "pictures"
MOST_BYTES = 150 * 1024
SIZE = {"width": 1280, "height": 800}
PASSWORD = "a new long Password 1"
TOKEN = "wiki-4c1d9a77"
ENTRY = {"headers": {"Authorization": "Bearer ${USER_WIKI_TOKEN}"}}


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
    page.keyboard.insert_text(json.dumps({"mcpServers": {"wiki": server.config(**ENTRY)}}, indent=2) + "\n")
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


@pytest.fixture(scope="module")
def people(fresh_hub: RunningHub, wiki: HttpServer, upstreams: Upstreams) -> dict[str, Person]:
    """The newcomer's hub once others are there: made-up names, real calls."""
    rest = log_in(fresh_hub.url, "ann", PASSWORD)
    ann = Admin(rest, rest.get("/api/user/me")["id"], "ann", PASSWORD)
    calendar, tickets = upstreams.http("calendar"), upstreams.http("tickets")
    secret = {"Authorization": "Bearer ${USER_TICKETS_TOKEN}", "X-Project": "${USER_TICKETS_PROJECT}"}
    ann.add_servers({"calendar": calendar.config(), "tickets": tickets.config(headers=secret)})
    people: dict[str, Person] = {"ann": ann, **{name: ann.user(name) for name in ("minji", "jun", "sofia")}}
    for number, name in enumerate(("minji", "jun", "sofia")):
        person = people[name]
        person.save("wiki", USER_WIKI_TOKEN=TOKEN)
        if name != "minji":
            person.save("tickets", USER_TICKETS_TOKEN="tickets-7c2e", USER_TICKETS_PROJECT="HUB")
        person.group("daily", "wiki", "calendar", *([] if name == "minji" else ["tickets"]))
        for server in ("wiki", "calendar") if name == "minji" else ("wiki", "calendar", "tickets"):
            session = Session(
                fresh_hub.url, person.key(), path=f"/mcp/{server}", client=("Cursor", "VS Code")[number % 2]
            )
            session.tools()
            for turn in range(4 + 2 * number):
                session.call(("echo", "put", "sleep", "big")[turn % 4], text="hi", key="k", value="v", ms=120, kb=4)
            if server == "tickets":
                session.call("fail")
            session.close()
    ann.set_admin(people["sofia"].id, True)
    return people


@on_demand
@pytest.mark.optional
@pytest.mark.parametrize(
    ("name", "who", "path", "language", "theme"),
    [
        ("requests", "ann", "/admin/requests?span=15m", "en", "light"),
        ("audit", "ann", "/admin/audit", "en", "dark"),
        ("settings", "minji", "/settings", "ko", "light"),
        ("config", "ann", "/admin/config", "ko", "dark"),
    ],
)
def test_pages_look_as_the_guides_show_them(
    name: str,
    who: str,
    path: str,
    language: Language,
    theme: Theme,
    people: dict[str, Person],
    open_reader: MakeReader,
) -> None:
    person = people[who]
    reader = open_reader(person, url=person.url, language=language, theme=theme, viewport=SIZE)

    page = reader.go(path)
    reader.settled()

    picture(page, f"{name}-{language}-{theme}")
    assert reader.complaints == []
