"""Every number of the pages about a whole hub, against what was done on one where nothing else happens.

What a page shows of one thing is asserted in the page's own file. Here a few people, servers and calls are planted, all
written out below, and each page has to count them: nothing is taken from the hub but how long a call took.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.e2e.ui.conftest import keep_pictures
from tests.e2e.ui.test_config import change, opened, panel
from tests.e2e.ui.test_tool_changes import Drift, tool
from tests.support.company import Way, company
from tests.support.rest import Admin, Person
from tests.support.running import RunningHub
from tests.support.session_by_hand import Session
from tests.support.upstreams import Upstreams
from tests.support.waiting import eventually
from tests.support.web import Reader

TOKEN = "pat-0123456789abcdef7Q0c"  # scan:allow
ANSWERED = {"initialize": 2, "tools/list": 2, "tools/call": 8}  # in two sessions, and from the page of a server
COUNT = sum(ANSWERED.values())
GONE: dict[str, Any] = {"type": "streamable-http", "url": "http://127.0.0.1:9/mcp"}


class Planted(NamedTuple):
    """A hub and what is on it.

    Args:
        begun: before anybody of it was there.
        ended: ann's requests that were answered, newest first.
    """

    hub: RunningHub
    ann: Person
    begun: datetime
    ended: list[dict[str, Any]]

    @property
    def admin(self) -> Admin:
        return self.hub.admin

    def took(self, tool: str) -> str:
        """How long the one call of a tool took, as pages write it."""
        (call,) = [each for each in self.ended if each["tool"] == tool]
        return ms(call["durationMs"])

    def p95(self) -> str:
        """Of all, as pages write it."""
        (whole,) = self.admin.rest.get("/api/requests/stats", params={"all": "true"})
        return ms(whole["p95Ms"])


def ms(value: float) -> str:
    return f"{int(value + 0.5)} ms"


@pytest.fixture(scope="module")
def planted(
    make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams
) -> Iterator[Planted]:
    """Six users and one who is deleted: ann, who calls; an auditor; one locked, two who wait, and the administrator.

    Four servers: one that works, one that died, one whose tool changed, one that asks for two values. Eight tool calls:
    three and one that went well, one that a tool failed, one to a tool that is off, one to the server before it died
    and one after; one more is under way.
    """
    begun = datetime.now(UTC)
    with company(tmp_path_factory.mktemp("company"), behind_proxy=False) as where:
        env = {**where.env, "MCPHUB_NEW_USERS": "pending"}
        hub = RunningHub(make_home(), tmp_path_factory.mktemp("planted"), env=env)
        wiki, dead, drift = (upstreams.http(name) for name in ("wiki", "dead", "drift"))
        drift.become(tool("The text, unchanged."))
        session = None
        try:
            admin = hub.start().admin
            way = Way(hub, where, "github")
            for _ in range(2):
                way.somebody()
                httpx.get(way.start, follow_redirects=True, trust_env=False)
            ann, eve = admin.user("ann"), admin.user("eve")
            ben, cleo = admin.user("ben", sign_in=False), admin.user("cleo", sign_in=False)
            admin.rest.put(f"/api/admin/users/{eve.id}/auditor", {"isAuditor": True})
            admin.set_active(ben, False)
            admin.rest.delete(f"/api/admin/users/{cleo.id}")
            asks = {**GONE, "headers": {"X-Token": "${USER_ASKS_TOKEN}", "X-Site": "${USER_ASKS_SITE}"}}
            quarantine = drift.config(mcphub={"onToolChange": "quarantine"})
            admin.add_servers({"wiki": wiki.config(), "dead": dead.config(), "drift": quarantine, "asks": asks})
            ann.save("asks", USER_ASKS_TOKEN=TOKEN, USER_ASKS_SITE="acme")
            eve.save("asks", USER_ASKS_SITE="acme")
            ann.key("desk")

            change_of(Drift(drift, admin, ann))
            one_call_after_another(admin, ann, dead.kill)
            ann.group("mine", "wiki", "asks")
            admin.rest.post("/api/servers/wiki/tools/put/toggle", {"enabled": False})
            six_calls(ann)
            hub.stop()  # uses of keys are written once a minute, and then
            admin = hub.start().admin
            session = Session(hub.url, ann.key("tablet"), path="/mcp/wiki")
            session.tools()
            session.leave_running("hang", nonce="n")
            yield Planted(hub, ann, begun, history(admin))
        finally:
            wiki.kill()  # which ends what is under way
            if session is not None:
                session.close()
            hub.end()


def change_of(drift: Drift) -> None:
    assert drift.lists() == ["echo"]
    drift.admin.rest.post("/api/servers/drift/tools")
    seen = lambda: drift.admin.rest.get("/api/servers/drift")["tools"][0]["firstSeen"]  # noqa: E731
    eventually(seen, within=10, what="the first list on the record")
    drift.becomes(tool("In other words.", text={"type": "string"}))


def one_call_after_another(admin: Admin, ann: Person, die: Callable[[], None]) -> None:
    """To a server that dies between them."""
    ann.rest.post("/api/servers/dead/tools/echo/try", {"arguments": {"text": "hi"}})
    die()
    ann.rest.ask("POST", "/api/servers/dead/tools/whoami/try", json={"arguments": {}}, expect=(200, 502, 504))


def six_calls(ann: Person) -> None:
    """In a session of ten messages: a greeting of two, a list of tools, the calls, and the end."""
    session = Session(ann.url, ann.key("notebook"), path="/mcp/wiki")
    session.tools()
    for text in ("one", "two", "three"):
        session.call("echo", text=text)
    session.call("sleep", ms=300, nonce="n")
    session.call("fail", text="no such page")
    session.call("put", key="k", value="v")
    session.close()


def history(admin: Admin) -> list[dict[str, Any]]:
    """Requests that have ended, once all of them are on the record, and the one that has not as well."""
    rows: list[dict[str, Any]] = []

    def there() -> bool:
        rows[:] = admin.all_requests()
        return Counter(row["method"] for row in rows if row["endedAt"]) == ANSWERED and len(rows) == COUNT + 1

    eventually(there, within=20, what=lambda: f"all of it on the record: {rows}")
    return [row for row in rows if row["endedAt"]]


@pytest.fixture(scope="module")
def everybody(planted: Planted, browser: Browser) -> Iterator[Callable[[Person], Reader]]:
    """One reader for each person."""
    readers: dict[str, Reader] = {}

    def of(person: Person) -> Reader:
        if person.id not in readers:
            readers[person.id] = Reader(browser, planted.hub.url).sign_in(person)
        return readers[person.id]

    yield of
    for reader in readers.values():
        reader.close()


@pytest.fixture
def admin(
    request: pytest.FixtureRequest, planted: Planted, everybody: Callable[[Person], Reader], tmp_path: Path
) -> Iterator[Reader]:
    yield everybody(planted.admin)
    keep_pictures(request, [everybody(planted.admin)], tmp_path)


@pytest.fixture
def ann(
    request: pytest.FixtureRequest, planted: Planted, everybody: Callable[[Person], Reader], tmp_path: Path
) -> Iterator[Reader]:
    yield everybody(planted.ann)
    keep_pictures(request, [everybody(planted.ann)], tmp_path)


def row(page: Page, id_: str) -> Locator:
    return page.locator(f'[data-row="{id_}"]')


def strip(page: Page) -> dict[str, str]:
    """The figures at the top, once the page knows all of them: name → number, without what stands beside it."""
    figures = page.locator("main dl").first
    expect(figures.locator("dd").last).to_be_visible()
    expect(figures.get_by_text("–", exact=True)).to_have_count(0)
    cells = figures.locator("> div").all()
    return {cell.locator("dt").inner_text(): cell.locator("dd > span").first.inner_text() for cell in cells}


def moment(cell: Locator) -> datetime:
    return datetime.fromisoformat(str(cell.locator("time").get_attribute("datetime")))


def test_the_overview_counts_calls_sessions_servers_and_what_waits(admin: Reader, planted: Planted) -> None:
    planted.admin.rest.send("POST", "/api/servers/dead/tools")  # what failed long ago is forgotten
    page = admin.go("/admin?span=1h")

    def shows(name: str, text: str) -> None:
        expect(page.locator(f"[data-figure={name}] > span").nth(1)).to_have_text(text)

    shows("sessions", "1")
    shows("in-flight", "1")
    shows("calls", str(COUNT))
    shows("errors", f"{1 / COUNT:.1%}1 failed · tool errors: 1")
    shows("p95", planted.p95())
    shows("servers", "41 with an error")
    shows("users", "2")
    shows("tools", "1")
    bars = page.get_by_role("figure", name="Requests over time").locator("tbody td")
    assert sum(int(bar) for bar in bars.all_inner_texts()) == COUNT


def test_live_sessions_count_the_present_and_the_last_five_minutes(admin: Reader, planted: Planted) -> None:
    page = admin.go("/admin/sessions")

    figures = strip(page)

    assert figures["Sessions"] == "1"
    assert figures["In flight"] == "1"
    assert COUNT / 5.25 - 0.05 <= float(figures["Requests a minute"]) <= COUNT / 5 + 0.05  # it begins at a full step
    assert figures["p95 of 5 min"] == planted.p95()
    assert figures["Errors of 5 min"] == "1"
    page.get_by_role("button", name="Upstream connections").click()
    wiki = page.get_by_role("row").filter(has_text="wiki").get_by_role("gridcell")
    expect(wiki.nth(6)).to_have_text("1")


def test_requests_are_counted_over_all_and_by_server_and_user(admin: Reader, planted: Planted) -> None:
    page = admin.go(f"/admin/requests?q={quote('method:tools/call')}")
    sleep = next(each for each in planted.ended if each["tool"] == "sleep")

    figures = strip(page)
    cells = row(page, sleep["id"]).get_by_role("gridcell")

    counted = {name: figures[name] for name in ("Requests", "Errors", "Tool errors", "Denied", "Under way")}
    assert counted == {"Requests": "8", "Errors": "12.5%", "Tool errors": "12.5%", "Denied": "1", "Under way": "1"}
    expect(cells.nth(6)).to_have_text(planted.took("sleep"))
    expect(cells.nth(7)).to_have_text(f"{sleep['bytesOut']} B")
    for view, name, expected in (
        ("server", "null wiki null", ["wiki", "6", "0.0%", "1"]),
        ("server", "null dead null", ["dead", "2", "50.0%", "–"]),
        ("user", f"{planted.ann.id} null null", ["ann", "8", "12.5%", "1"]),
    ):
        admin.go(f"/admin/requests?q={quote('method:tools/call')}&view={view}")
        expect(row(page, name).get_by_role("gridcell").first).to_be_visible()
        shown = row(page, name).get_by_role("gridcell").all_inner_texts()
        assert [shown[0], shown[1], shown[2], shown[-5]] == expected
    page = admin.go(f"/admin/requests?q={quote('tool:sleep status:Completed')}")
    assert {strip(page)[name] for name in ("Mean", "p50", "p95", "p99")} == {planted.took("sleep")}


def test_users_are_counted_and_say_when_they_were_seen(admin: Reader, planted: Planted) -> None:
    page = admin.go("/admin/users")
    views = {"All": 6, "Waiting": 2, "Active": 3, "Locked": 1, "Administrators": 1, "Auditors": 1, "Deleted": 1}
    for name, count in views.items():
        expect(page.get_by_role("button", name=f"{name} {count}", exact=True)).to_be_visible()

    ann, ben = (row(page, planted_id(planted, name)).get_by_role("gridcell") for name in ("ann", "ben"))

    expect(ann.nth(5)).to_have_text("3")
    expect(ann.nth(6)).to_have_text("1")
    used = [one["lastUsedAt"] for one in planted.ann.rest.get("/api/oauth/keys") if one["lastUsedAt"]]
    seen = moment(ann.nth(7))
    assert planted.begun < seen < datetime.now(UTC)
    assert f"{seen:%FT%T}.{seen.microsecond // 1000:03}" in [at[:23] for at in used]
    expect(ann.nth(7)).to_have_text(re.compile("now|sec ago|min ago"))
    expect(ben.nth(7)).to_have_text("never")
    assert planted.begun < moment(ben.nth(8)) < seen
    expect(ben.nth(8)).to_have_text(re.compile(r"\d{4}-\d\d-\d\d"))


def planted_id(planted: Planted, name: str) -> str:
    found = planted.admin.rest.get("/api/admin/users", params={"q": name})
    return next(str(user["id"]) for user in found if user["username"] == name)


def test_what_a_user_has_is_counted_tab_by_tab(admin: Reader, planted: Planted) -> None:
    page = admin.go(f"/admin/users/{planted.ann.id}")

    tabs = page.get_by_role("tablist", name="User").get_by_role("tab")
    expect(tabs).to_have_text(["Access", "Keys 3", "Groups 1", "Variables 2", re.compile(r"Sessions \d")])
    expect(page.get_by_text("2 of 4 servers")).to_be_visible()
    expect(page.locator("[data-server=wiki]")).to_contain_text("11 of 12 tools")


def test_keys_say_how_often_and_when_they_were_used(admin: Reader, planted: Planted) -> None:
    page = admin.go("/admin/keys")
    expect(page.get_by_text("3 keys", exact=True)).to_be_visible()
    used, unused = (
        page.get_by_role("row").filter(has_text=name).get_by_role("gridcell") for name in ("notebook", "desk")
    )
    expect(used.nth(7)).to_have_text("10")
    expect(unused.nth(7)).to_have_text("0")
    assert planted.begun < moment(used.nth(6)) < datetime.now(UTC)
    expect(unused.nth(6)).to_have_text("never")


def test_values_are_counted_against_who_may_enter_them(admin: Reader) -> None:
    page = admin.go("/admin/variables")

    for name, entered, share in (("ASKS_TOKEN", "1 of 3", "33.3%"), ("ASKS_SITE", "2 of 3", "66.7%")):
        expect(page.get_by_role("row").filter(has_text=name)).to_contain_text(entered)
        expect(page.get_by_role("row").filter(has_text=name)).to_contain_text(share)
    page.get_by_role("tab", name="Issues 1", exact=True).click()
    for name in ("Errors 0", "Warnings 1", "Info 2"):  # of the auditor, and of the administrator, who entered nothing
        expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()


def test_a_server_counts_its_calls_tools_and_connections(admin: Reader, ann: Reader) -> None:
    for name, tools in (("wiki", "Tools11"), ("asks", "Tools")):
        tabs = ann.go(f"/servers/{name}").get_by_role("tablist", name=name).get_by_role("tab")
        slots = f"Settings needed{2 if name == 'asks' else 0}"
        expect(tabs).to_have_text(["Overview", tools, slots, "Requests"])
    page = admin.go("/servers/wiki")

    calls = page.get_by_role("region", name="Calls, last 24 hours")
    expect(calls.locator("dd").nth(0)).to_have_text("6")
    expect(calls.locator("dd").nth(1)).to_have_text("0.0%")
    connection = page.get_by_role("region", name="Connection").locator("dl > div")
    shown = dict(text.split("\n") for text in connection.all_inner_texts())
    assert [shown[name] for name in ("Open now", "Calls under way", "Reconnects")] == ["1", "1", "0"]


def test_the_access_simulator_counts_what_is_seen_and_what_is_hidden(admin: Reader, planted: Planted) -> None:
    page = admin.go(f"/admin/access?user={planted.ann.id}")

    expect(page.get_by_text("2 visible, 2 hidden")).to_be_visible()
    expect(page.locator("[data-server=wiki]")).to_contain_text("11 of 12 tools")


def test_a_changed_tool_says_in_how_many_parts(admin: Reader) -> None:
    page = admin.go("/admin/tool-changes")

    expect(page.get_by_role("row").filter(has_text="drift").get_by_role("gridcell").nth(3)).to_have_text("2")


def test_the_timeline_counts_what_it_lists(admin: Reader, planted: Planted) -> None:
    page = admin.go("/admin/audit?q=type:KeyIssued type:ServiceTokenSaved&span=1h")

    expect(page.get_by_text("6 in this period")).to_be_visible()  # three keys and three values
    expect(page.locator("[data-row]")).to_have_count(6)
    plot = page.get_by_role("figure")
    assert sum(int(bar) for bar in plot.locator("tbody td").all_inner_texts()) == 6
    (newest,) = planted.admin.rest.get("/api/audit", params={"kind": "fact", "limit": 1})
    expect(page.get_by_role("main")).to_contain_text(f"head #{newest['position']}")
    page = admin.go("/admin/audit?q=type:GroupCreated&span=1h")
    expect(page.get_by_text("1 in this period")).to_be_visible()
    bins = page.get_by_role("slider", name="Events over time")
    bins.focus()
    for _ in range(int(bins.get_attribute("aria-valuemax") or 0)):
        if str(bins.get_attribute("aria-valuetext")).endswith(": 1"):
            break
        bins.press("ArrowLeft")
    expect(plot.get_by_text("Groups1")).to_be_visible()


def test_health_says_how_many_servers_fail_and_which_event_is_the_newest(admin: Reader, planted: Planted) -> None:
    planted.admin.rest.send("POST", "/api/servers/dead/tools")
    page = admin.go("/admin/health")
    (newest,) = planted.admin.rest.get("/api/audit", params={"kind": "fact", "limit": 1})
    found = lambda name: page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name))  # noqa: E731

    expect(found("Servers")).to_contain_text("1 of 4 report an error: dead.")
    expect(found("Event store")).to_contain_text(f"#{newest['position']}.")
    expect(found("Access decisions")).to_contain_text(f"#{newest['position']}.")
    uptime = page.locator("dl > div").filter(has_text="Running for").locator("dd").inner_text()
    minutes, seconds = (int(part) for part in re.findall(r"\d+", uptime)) if "m " in uptime else (0, float(uptime[:-2]))
    assert 0 < minutes * 60 + seconds <= (datetime.now(UTC) - planted.begun).total_seconds()
    with page.expect_response("**/api/admin/health") as answered:
        page.get_by_role("button", name="Look again").click()
    for check in answered.value.json()["data"]["checks"]:
        took = Decimal(check["latencyMs"])
        shown = took.quantize(Decimal("0.1") if took < 10 else Decimal(1), ROUND_HALF_UP)
        expect(page.locator(f"[data-check={check['name']}] td").nth(1)).to_have_text(f"{shown} ms")


def test_the_settings_editor_counts_what_a_save_records_ends_and_leaves_open(admin: Reader, planted: Planted) -> None:
    page = opened(admin)

    def edit(settings: dict[str, Any]) -> None:
        settings["mcpServers"]["wiki"]["url"] += "?other"
        settings["mcpServers"]["drift"]["headers"] = {"X-New": "${USER_NEW}"}

    change(page, planted.admin, edit)
    expect(panel(page).get_by_role("heading", name="Save will record")).to_contain_text("4")
    expect(page.get_by_text("Saving records 4 events.")).to_be_visible()
    expect(panel(page)).to_contain_text("wiki: 1 connection ends and opens anew")
    expect(panel(page)).to_contain_text("drift: 3 users have no USER_NEW yet")

    change(
        page, planted.admin, lambda settings: settings["mcpServers"]["wiki"].update(type="ssh", timout=1, headers=[])
    )
    expect(page.get_by_text("Errors: 2. Correct them to save.")).to_be_visible()


def test_somebody_sees_the_numbers_that_are_theirs(ann: Reader, planted: Planted) -> None:
    page = ann.go("/connect")
    used = page.get_by_role("row").filter(has_text="notebook").get_by_role("gridcell")
    expect(used.nth(5)).to_have_text("10")

    page = ann.go("/activity")
    figures = strip(page)
    assert (figures["Requests"], figures["Denied"]) == (str(COUNT), "1")

    page = ann.go("/servers")
    wiki = row(page, "wiki").get_by_role("gridcell")
    expect(wiki.nth(3)).to_have_text("11")
    expect(wiki.nth(4)).to_have_text("6")

    page = ann.go("/settings")
    asks = page.get_by_role("region", name="asks", exact=True)
    asks.get_by_role("button", name="Replace: ASKS_TOKEN").click()
    asks.get_by_label("ASKS_TOKEN", exact=True).fill(TOKEN)
    expect(page.get_by_text("Unsaved changes: 1")).to_be_visible()


def test_values_that_are_missing_are_counted(planted: Planted, everybody: Callable[[Person], Reader]) -> None:
    page = everybody(planted.admin).go("/settings")

    expect(page.get_by_role("region", name="asks", exact=True)).to_contain_text("2 missing")
