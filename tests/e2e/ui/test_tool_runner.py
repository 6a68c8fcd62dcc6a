"""A tool tried from its page: a form made of its schema, the call through the gateway, and the answer as what it is."""

import json
import shlex
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.ui.conftest import MakeReader
from tests.support.rest import Admin, Person
from tests.support.upstreams import SERVERS, HttpServer, Upstreams
from tests.support.waiting import eventually
from tests.support.web import Reader, UiPage

SECRET = "sk-0123456789abcdefQ7"  # scan:allow
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

TEXT, INTEGER = {"type": "string"}, {"type": "integer"}
SCHEMA = {
    "type": "object",
    "required": ["jql", "where"],
    "properties": {
        "jql": {"type": "string", "description": "What to look for."},
        "limit": {"anyOf": [{"type": "integer", "maximum": 50}, {"type": "null"}]},
        "order": {"enum": ["up", "down"]},
        "exact": {"type": "boolean"},
        "where": {"$ref": "#/$defs/Place"},
        "tags": {"type": "array", "items": TEXT},
        "target": {
            "oneOf": [
                {"title": "user", "type": "object", "required": ["user"], "properties": {"user": TEXT}},
                {"title": "team", "type": "object", "required": ["team"], "properties": {"team": INTEGER}},
            ]
        },
        "api_key": TEXT,
    },
    "$defs": {"Place": {"type": "object", "required": ["city"], "properties": {"city": TEXT}}},
}
SAY = {"name": "say", "description": "Says it again.", "inputSchema": SCHEMA}


def local(name: str) -> dict[str, Any]:
    """A server of the hub's own machine that tells nobody what it was asked."""
    return {"command": "python3", "args": [str(SERVERS / "over_stdio.py"), "--name", name]}


def a_tool(admin: Admin) -> str:
    if all(server["name"] != "page-tools" for server in admin.rest.get("/api/servers")):
        admin.add_servers({"page-tools": local("page-tools")})
    return "/servers/page-tools/tools/echo"


PAGES = [UiPage("/servers/$name/tools/$tool", state=a_tool)]


@pytest.fixture
def server(upstreams: Upstreams, serve: Callable[..., None], fresh_name: Callable[[str], str]) -> HttpServer:
    made = upstreams.http(fresh_name("run"))
    made.become(
        SAY, {**SAY, "name": "wipe", "annotations": {"destructiveHint": True}, "inputSchema": {"type": "object"}}
    )
    serve({made.name: made.config()})
    return made


def tool_page(reader: Reader, server: HttpServer, tool: str = "say", more: str = "") -> Page:
    page = reader.go(f"/servers/{server.name}/tools/{tool}{more}")
    expect(run(page)).to_be_enabled()
    return page


def run(page: Page) -> Locator:
    return page.get_by_role("button", name="Run", exact=False)


def result(page: Page) -> Locator:
    return page.get_by_role("region", name="Result", exact=True)


def send(page: Page, what: dict[str, Any]) -> None:
    """By the JSON tab; what does not fit the form's schema is sent by a second press."""
    page.get_by_label("Arguments as JSON").fill(json.dumps(what))
    run(page).click()
    page.get_by_role("button", name="Run anyway").click()
    expect(result(page)).to_be_visible()


def test_each_kind_of_field_arrives_as_it_was_entered(reader: Reader, server: HttpServer) -> None:
    page = tool_page(reader, server)

    page.get_by_label("jql", exact=True).fill("project = HUB")
    page.get_by_label("limit", exact=True).fill("20")
    page.get_by_label("order", exact=True).click()
    page.get_by_role("option", name="down").click()
    page.get_by_role("group", name="exact").get_by_role("button", name="true").click()
    page.get_by_label("city", exact=True).fill("서울")
    page.get_by_role("button", name="Add tags").click()
    for tag in ("one", "two"):
        page.get_by_role("button", name="Add to tags").click()
        page.get_by_label("tags", exact=True).get_by_role("textbox").last.fill(tag)
    page.get_by_role("button", name="Add target").click()
    page.get_by_label("Kind of target").click()
    page.get_by_role("option", name="team").click()
    page.get_by_label("team", exact=True).fill("7")
    page.keyboard.press("Control+Enter")

    expect(result(page)).to_contain_text("done")
    result(page).get_by_role("button", name="as text").click()
    assert json.loads(result(page).locator("pre").inner_text()) == {
        "jql": "project = HUB",
        "limit": 20,
        "order": "down",
        "exact": True,
        "where": {"city": "서울"},
        "tags": ["one", "two"],
        "target": {"team": 7},
    }
    page.get_by_role("button", name="limit: null").click()
    run(page).click()
    expect(result(page)).to_contain_text("limit: null")


@pytest.mark.thorough
def test_a_call_stands_in_the_readers_history_under_the_id_that_is_shown(
    open_reader: MakeReader, make_user: Callable[[str], Person], server: HttpServer
) -> None:
    person = make_user("ann")
    page = tool_page(open_reader(person), server, more="?input=json")
    send(page, {"result": {"content": [{"type": "text", "text": "hello"}]}})

    eventually(lambda: person.requests(method="tools/call", status="Completed"), within=20, what="the call is recorded")
    (call,) = person.requests(method="tools/call")
    expect(result(page)).to_contain_text(call["requestId"])
    expect(result(page).locator("pre")).to_have_text("hello")
    assert (call["tool"], call["server"], call["status"]) == ("say", server.name, "Completed")


@pytest.mark.thorough
def test_form_and_json_say_the_same(reader: Reader, server: HttpServer) -> None:
    page = tool_page(reader, server)
    page.get_by_label("jql", exact=True).fill("from the form")
    page.get_by_role("button", name="JSON", exact=True).click()
    text = page.get_by_label("Arguments as JSON")
    assert json.loads(text.input_value()) == {"jql": "from the form", "where": {}}

    text.fill('{"jql": "from JSON", "limit": 3, "where": {"city": "Busan"}')
    expect(page.get_by_role("alert")).to_have_text("This is no JSON object yet.")
    expect(run(page)).to_be_disabled()
    text.press_sequentially("}")
    expect(run(page)).to_be_enabled()
    assert page.url.endswith("?input=json")
    page.get_by_role("button", name="Form", exact=True).click()

    expect(page.get_by_label("jql", exact=True)).to_have_value("from JSON")
    expect(page.get_by_label("limit", exact=True)).to_have_value("3")
    expect(page.get_by_label("city", exact=True)).to_have_value("Busan")


@pytest.mark.thorough
def test_what_does_not_fit_is_said_at_its_field_and_sent_only_on_request(reader: Reader, server: HttpServer) -> None:
    page = tool_page(reader, server)
    page.get_by_label("limit", exact=True).fill("99")

    run(page).click()

    expect(page.get_by_text("This is required.")).to_have_count(2)
    expect(page.get_by_text("This has to be ≤ 50.")).to_be_visible()
    expect(result(page)).to_have_count(0)
    page.get_by_role("button", name="Run anyway").click()
    expect(result(page)).to_contain_text("limit: 99")


@pytest.mark.thorough
def test_each_kind_of_answer_is_shown_as_what_it_is(reader: Reader, server: HttpServer) -> None:
    page = tool_page(reader, server, more="?input=json")
    content = [
        {"type": "text", "text": '{"issues": [{"key": "HUB-1"}]}'},
        {"type": "image", "mimeType": "image/png", "data": PIXEL},
        {"type": "resource_link", "uri": "https://wiki.example/a", "name": "the page"},
        {"type": "resource_link", "uri": "javascript:alert(1)", "name": "no page"},
        {"type": "resource", "resource": {"uri": "file:///notes", "mimeType": "text/plain", "text": "inside"}},
    ]
    send(page, {"result": {"content": content, "structuredContent": {"total": 1}}})

    box = result(page)
    expect(box.get_by_role("button", name="issues")).to_be_visible()
    assert box.get_by_role("img").evaluate("image => image.complete && image.naturalWidth") == 1
    expect(box.get_by_role("link", name="https://wiki.example/a")).to_have_attribute("rel", "noreferrer")
    expect(box.get_by_text("javascript:alert(1)")).to_be_visible()
    expect(box.get_by_role("link", name="javascript")).to_have_count(0)
    expect(box.get_by_text("inside", exact=True)).to_be_visible()
    box.get_by_role("button", name="Structured").click()
    expect(box.get_by_role("region", name="Structured")).to_contain_text("total: 1")
    box.get_by_role("button", name="Raw").click()
    expect(box.get_by_role("region", name="Raw")).to_contain_text('"resource_link"')


def test_a_failure_of_the_tool_and_a_server_that_is_gone_are_told_apart_from_success(
    reader: Reader, server: HttpServer
) -> None:
    page = tool_page(reader, server, more="?input=json")
    send(page, {"result": {"content": [{"type": "text", "text": "no such project"}], "isError": True}})
    expect(result(page)).to_contain_text("failed")
    expect(result(page)).to_contain_text("no such project")

    server.kill()
    run(page).click()
    page.get_by_role("button", name="Run anyway").click()

    expect(result(page)).to_contain_text(server.name)
    expect(result(page)).not_to_contain_text("no such project")


@pytest.mark.thorough
def test_a_call_that_is_stopped_ends_at_the_server_too(
    open_reader: MakeReader, make_user: Callable[[str], Person], server: HttpServer
) -> None:
    person = make_user("ann")
    server.become({"name": "hang", "description": "Never answers.", "inputSchema": {"type": "object"}})
    page = tool_page(open_reader(person), server, "hang")

    run(page).click()
    page.get_by_role("button", name="Stop").click()

    expect(page.get_by_text("You stopped the call.")).to_be_visible()
    eventually(
        lambda: [call["status"] for call in person.requests(tool="hang")] == ["Cancelled"],
        within=10,
        what="the call on the record as cancelled",
    )


@pytest.mark.thorough
def test_a_destructive_tool_wants_two_presses(reader: Reader, server: HttpServer) -> None:
    page = tool_page(reader, server, "wipe")

    run(page).click()
    expect(page.get_by_role("status").filter(has_text="destructive")).to_be_visible()
    expect(result(page)).to_have_count(0)
    page.get_by_role("button", name="Run it, it may destroy").click()

    expect(result(page)).to_contain_text("called wipe")


@pytest.mark.thorough
def test_the_last_arguments_come_back_without_their_secrets(reader: Reader, server: HttpServer) -> None:
    page = tool_page(reader, server)
    page.get_by_label("jql", exact=True).fill("kept")
    page.get_by_label("city", exact=True).fill("Busan")
    key = page.get_by_label("api_key", exact=True)
    key.fill(SECRET)
    expect(key).to_have_attribute("data-hidden", "true")
    run(page).click()
    expect(result(page)).to_be_visible()
    page.get_by_role("button", name="Copy as JSON-RPC").click()
    assert json.loads(reader.clipboard())["params"] == {
        "name": "say",
        "arguments": {"jql": "kept", "where": {"city": "Busan"}, "api_key": "<api_key>"},
    }

    stored = str(page.evaluate("[JSON.stringify(localStorage), JSON.stringify(sessionStorage)]"))
    page.reload()

    assert SECRET not in stored
    expect(page.get_by_label("jql", exact=True)).to_have_value("kept")
    expect(page.get_by_label("api_key", exact=True)).to_have_value("")


@pytest.mark.thorough
def test_what_is_copied_for_curl_is_the_same_call(
    open_reader: MakeReader, make_user: Callable[[str], Person], server: HttpServer
) -> None:
    person = make_user("ann")
    reader = open_reader(person)
    page = tool_page(reader, server)
    page.get_by_label("jql", exact=True).fill('it\'s "quoted"')
    page.get_by_label("city", exact=True).fill("Busan")

    page.get_by_role("button", name="Copy as curl").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    words = shlex.split(reader.clipboard().replace("$MCPHUB_KEY", person.key()))

    assert words[:2] == ["curl", "-sS"]
    headers = dict(word.split(": ", 1) for word in words if ": " in word and not word.startswith("{"))
    answer = httpx.post(words[2], content=words[-1].encode(), headers=headers, trust_env=False)
    (content,) = answer.json()["result"]["content"]
    assert json.loads(content["text"]) == {"jql": 'it\'s "quoted"', "where": {"city": "Busan"}}


def test_an_administrator_renames_and_rewords_a_tool(admin: Admin, open_reader: MakeReader, server: HttpServer) -> None:
    reader = open_reader(admin)
    page = tool_page(reader, server)

    def choose(what: str) -> Locator:
        page.get_by_role("button", name="Actions").click()
        page.get_by_role("menuitem", name=what).click()
        return page.get_by_role("dialog")

    dialog = choose("Rename")
    dialog.get_by_label("Name for clients").fill("wipe")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_contain_text("Another tool of the server has this name")
    dialog.get_by_label("Name for clients").fill("not a name")
    expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    dialog.get_by_label("Name for clients").fill("find")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("region", name="About the tool")).to_contain_text(f"{server.name}__find")
    dialog = choose("Describe in other words")
    dialog.get_by_label("Description").fill("Finds issues.")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_role("region", name="About the tool")).to_contain_text("Says it again.")

    (tool,) = [one for one in admin.rest.get(f"/api/servers/{server.name}")["tools"] if one["name"] == "say"]
    assert (tool["displayName"], tool["description"]) == ("find", "Finds issues.")
    dialog = choose("Rename")
    dialog.get_by_role("button", name="Back to its own name").click()
    expect(page.get_by_role("region", name="About the tool")).not_to_contain_text("find")
    page.get_by_role("switch", name="Tool on").click()
    expect(page.get_by_text("The tool is switched off.")).to_be_visible()
    expect(run(page)).to_be_disabled()


@pytest.mark.thorough
def test_a_tool_that_is_not_there_and_one_that_needs_values_say_what_to_do(
    reader: Reader, server: HttpServer, serve: Callable[..., None], fresh_name: Callable[[str], str]
) -> None:
    page = reader.go(f"/servers/{server.name}/tools/none")
    expect(page.get_by_text("The server lists no such tool")).to_be_visible()

    asking = fresh_name("asking")
    serve({asking: {**server.config(), "headers": {"X-A": "${USER_UI_RUN}"}}})
    page = reader.go(f"/servers/{asking}/tools/say")

    expect(page.get_by_text("Its tools are known once your values are entered")).to_be_visible()
