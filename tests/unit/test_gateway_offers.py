"""Prompts, resources, completions, subscriptions and log levels on the aggregate."""

import asyncio
import json

import pytest

from mcphub.domain.events import SERVERS, ToolDisabled, server_tag
from mcphub.gateway.upstream.runtime import Reply
from mcphub.gateway.uris import matches
from tests.support.gateway import World, tool


@pytest.fixture
async def world():
    return World()


async def listed(world, method, member, naming, **how):
    return [each[naming] for each in (await world.rpc(method, **how)).json["result"][member]]


async def test_prompts_carry_their_servers_slug(world):
    key = world.user("ann")
    wiki = world.server("wiki").offers(prompts=["review"])
    world.server("desk").offers(prompts=["review"])
    session = await world.client(key)

    assert await listed(world, "prompts/list", "prompts", "name", **session) == ["desk__review", "wiki__review"]
    await world.rpc("prompts/get", {"name": "wiki__review", "arguments": {"a": "b"}}, **session)
    assert wiki.asked[-1] == ("ann", "prompts/get", {"name": "review", "arguments": {"a": "b"}})
    unknown = await world.rpc("prompts/get", {"name": "wiki__nothing"}, **session)
    assert unknown.json["error"]["message"] == "Unknown prompt: wiki__nothing"


async def test_a_resource_keeps_its_address_until_two_servers_have_it(world):
    key = world.user("ann")
    wiki = world.server("wiki").offers(resources=["file:///a", "file:///both"])
    desk = world.server("desk").offers(resources=["file:///both"])
    session = await world.client(key)

    uris = await listed(world, "resources/list", "resources", "uri", **session)
    for uri in uris:
        await world.rpc("resources/read", {"uri": uri}, **session)
    ambiguous = await world.rpc("resources/read", {"uri": "file:///both"}, **session)

    assert uris == ["mcphub+desk:file:///both", "file:///a", "mcphub+wiki:file:///both"]
    assert [params["uri"] for _, method, params in wiki.asked if method == "resources/read"] == [
        "file:///a",
        "file:///both",
    ]
    assert desk.asked[-1][2] == {"uri": "file:///both"}
    assert ambiguous.json["error"]["code"] == -32602


async def test_a_resource_that_only_a_template_names_goes_to_that_server(world):
    key = world.user("ann")
    wiki = world.server("wiki").offers(templates=["page://{title}/text"])
    world.server("desk").offers(templates=["ticket://{number}"])
    session = await world.client(key)

    await world.rpc("resources/read", {"uri": "page://Home/text"}, **session)
    nobody = await world.rpc("resources/read", {"uri": "page://Home/other"}, **session)

    assert wiki.asked[-1] == ("ann", "resources/read", {"uri": "page://Home/text"})
    assert nobody.json["error"]["message"] == "Unknown resource: page://Home/other"


async def test_a_switched_off_prompt_or_resource_is_neither_listed_nor_served(world):
    key = world.user("ann")
    world.server("wiki").offers(prompts=["a", "b"], resources=["file:///a", "file:///b"])
    for kind, name in (("prompts", "a"), ("resources", "file:///a")):
        world.record(ToolDisabled(server_id="wiki", tool=name, kind=kind), server_tag("wiki"), SERVERS)

    for path, prefix in (("/mcp", "wiki__"), ("/mcp/wiki", "")):
        session = await world.client(key, path)
        assert await listed(world, "prompts/list", "prompts", "name", **session) == [f"{prefix}b"]
        assert await listed(world, "resources/list", "resources", "uri", **session) == ["file:///b"]
        hidden = await world.rpc("prompts/get", {"name": f"{prefix}a"}, **session)
        assert hidden.json["error"]["code"] == -32602
        assert (await world.rpc("resources/read", {"uri": "file:///a"}, **session)).json["error"]["code"] == -32602


async def test_a_completion_is_asked_of_the_server_behind_the_name(world):
    key = world.user("ann")
    wiki = world.server("wiki").offers(prompts=["review"])
    session = await world.client(key)
    argument = {"name": "language", "value": "py"}

    params = {"ref": {"type": "ref/prompt", "name": "wiki__review"}, "argument": argument}
    await world.rpc("completion/complete", params, **session)

    assert wiki.asked[-1][2] == {"ref": {"type": "ref/prompt", "name": "review"}, "argument": argument}


async def test_an_update_reaches_who_subscribed_also_after_a_restart(world):
    ann, bob = world.user("ann"), world.user("bob")
    wiki = world.server("wiki").offers(resources=["file:///a"])
    session, other = await world.client(ann), await world.client(bob)
    await world.rpc("resources/subscribe", {"uri": "file:///a"}, **session)
    await world.gateway._lifecycle.round()
    world.start()
    again = asyncio.Event()

    async def subscribed(method, params, caller):
        again.set()
        return Reply(result=b"{}")

    wiki.behave = subscribed
    streams = [
        await world.open("GET", **{**each, "headers": {**each["headers"], "accept": "text/event-stream"}})
        for each in (session, other)
    ]
    await asyncio.wait_for(again.wait(), 5)

    runtime = type("R", (), {"server_id": "wiki", "user_id": "ann", "slug": "wiki", "session_id": ""})()
    frame = b'{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///a","x":1.0}}'
    world.gateway.server_notification(runtime, "notifications/resources/updated", frame)
    await streams[0].until(lambda answer: answer.messages)

    assert streams[0].messages[0]["params"] == {"uri": "file:///a", "x": 1.0}
    assert streams[1].messages == []


def updated(world, number):
    """The server `wiki` says that a resource of its changed."""
    runtime = type("R", (), {"server_id": "wiki", "user_id": "ann", "slug": "wiki", "session_id": ""})()
    params = b'"params":{"uri":"file:///a","number":%d}' % number
    frame = b'{"jsonrpc":"2.0","method":"notifications/resources/updated",%b}' % params
    world.gateway.server_notification(runtime, "notifications/resources/updated", frame)


@pytest.mark.parametrize("path", ["/mcp", "/mcp/wiki"])
async def test_an_open_stream_hears_nothing_of_a_server_that_is_no_longer_meant_for_its_user(world, path):
    key = world.user("ann")
    world.server("wiki").offers(resources=["file:///a"])
    session = await world.client(key, path)
    await world.rpc("resources/subscribe", {"uri": "file:///a"}, **session)
    stream = await world.open("GET", **{**session, "headers": {**session["headers"], "accept": "text/event-stream"}})
    updated(world, 1)

    world.change("wiki", mcphub={"audience": {"users": ["bob"]}})
    updated(world, 2)
    world.change("wiki", mcphub={"audience": {"users": ["ann"]}})
    updated(world, 3)
    await stream.until(lambda answer: any(message["params"]["number"] == 3 for message in answer.messages))

    assert [message["params"]["number"] for message in stream.messages] == [1, 3]


async def test_a_subscription_that_outlived_a_restart_reaches_no_server_meant_for_others(world):
    key = world.user("ann")
    wiki = world.server("wiki").offers(resources=["file:///a"])
    desk = world.server("desk").offers(resources=["file:///b"])
    session = await world.client(key)
    for uri in ("file:///a", "file:///b"):
        await world.rpc("resources/subscribe", {"uri": uri}, **session)
    await world.gateway._lifecycle.round()
    world.start()
    world.change("wiki", mcphub={"audience": {"users": ["bob"]}})
    again, asked = asyncio.Event(), len(wiki.asked)

    async def subscribed(method, params, caller):
        again.set()
        return Reply(result=b"{}")

    desk.behave = subscribed
    await world.rpc("ping", **session)
    await asyncio.wait_for(again.wait(), 5)  # the second of the two, one after the other

    assert len(wiki.asked) == asked


async def test_log_messages_below_the_level_asked_for_are_left_out(world):
    session = await world.client(world.user("ann"))
    wiki = world.server("wiki", "work")

    async def work(method, params, caller):
        for level in ("debug", "info", "error"):
            caller.notify(
                b'{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"%b"}}' % level.encode()
            )
        return Reply(result=b"{}")

    wiki.behave = work
    assert (await world.rpc("logging/setLevel", {"level": "info"}, **session)).json["result"] == {}
    call = await world.rpc("tools/call", {"name": "wiki__work"}, **session)

    assert [message["params"]["level"] for message in call.messages[:-1]] == ["info", "error"]
    assert (await world.rpc("logging/setLevel", {"level": "loud"}, **session)).json["error"]["code"] == -32602


@pytest.mark.parametrize(
    ("template", "uri", "fits"),
    [
        ("page://{title}", "page://Home", True),
        ("page://{title}", "page://Home/more", False),
        ("file:///{+path}", "file:///a/b/c", True),
        ("search://x{?q}", "search://x?q=1", True),
        ("a.b://{x}", "aXb://1", False),
        ("page://{broken", "page://{broken", True),
    ],
)
def test_a_template_fits_the_addresses_it_makes(template, uri, fits):
    assert matches(template, uri) is fits


def logging(world, **config):
    """A server that logs, to the end of each call of it; gives the levels it was told."""
    wiki = world.server("wiki", "work", **config)
    wiki.capabilities = {"logging": {}}
    told = []

    async def work(method, params, caller):
        if method == "logging/setLevel":
            told.append(json.loads(params)["level"])
        elif caller is not None:
            for level in ("debug", "info", "error"):
                caller.notify(b'{"method":"notifications/message","params":{"level":"%b"}}' % level.encode())
        return Reply(result=b"{}")

    wiki.behave = work
    return told


async def heard(world, name="wiki__work", **session):
    call = await world.rpc("tools/call", {"name": name}, **session)
    return [message["params"]["level"] for message in call.messages[:-1]]


@pytest.mark.parametrize(("path", "name"), [("/mcp", "wiki__work"), ("/mcp/wiki", "work")])
async def test_a_server_is_told_once_how_much_its_client_wants_to_hear(world, path, name):
    key = world.user("ann")
    told = logging(world)
    session = await world.client(key, path)

    await world.rpc("tools/call", {"name": name}, **session)
    await world.rpc("logging/setLevel", {"level": "info"}, **session)
    for _ in range(2):
        assert await heard(world, name, **session) == ["info", "error"]

    assert told == ["info"]


@pytest.mark.parametrize("path", ["/mcp", "/mcp/wiki"])
async def test_a_server_that_sessions_share_logs_for_the_one_that_wants_most_and_each_hears_its_own(world, path):
    key = world.user("ann")
    name = "wiki__work" if path == "/mcp" else "work"
    told = logging(world, mcphub={"isolation": "per-user"})
    quiet, loud = await world.client(key, path), await world.client(key, path)

    for session, level in ((loud, "debug"), (quiet, "error")):
        await world.rpc("logging/setLevel", {"level": level}, **session)
        await heard(world, name, **session)

    assert await heard(world, name, **loud) == ["debug", "info", "error"]
    assert await heard(world, name, **quiet) == ["error"]
    assert told == (["debug"] if path == "/mcp" else ["debug", "error", "debug"])


async def test_a_server_that_does_not_log_is_told_nothing(world):
    key = world.user("ann")
    told = logging(world)
    world.upstreams["wiki"].capabilities = {}
    session = await world.client(key)

    await world.rpc("logging/setLevel", {"level": "debug"}, **session)
    await heard(world, **session)

    assert told == []


async def test_a_completion_for_a_template_is_asked_of_the_server_that_has_it(world):
    key = world.user("ann")
    wiki = world.server("wiki").offers(templates=["page://{title}/text"])
    world.server("desk").offers(templates=["ticket://{number}"])
    session = await world.client(key)
    argument = {"name": "title", "value": "Ho"}

    for uri in ("page://{title}/text", "page://nothing"):
        params = {"ref": {"type": "ref/resource", "uri": uri}, "argument": argument}
        last = await world.rpc("completion/complete", params, **session)

    [asked] = [params for _, method, params in wiki.asked if method == "completion/complete"]
    assert asked == {"ref": {"type": "ref/resource", "uri": "page://{title}/text"}, "argument": argument}
    assert last.json["error"]["code"] == -32602


async def test_icons_titles_and_structured_content_arrive_as_they_were(world):
    key = world.user("ann")
    icon = {"src": "data:image/png;base64,AA==", "mimeType": "image/png", "sizes": ["48x48"], "theme": "dark"}
    more = {"title": "Search", "icons": [icon], "outputSchema": {"type": "object"}, "x-new": [1.0]}
    wiki = world.server("wiki", tool("search", **more)).offers(
        prompts=["review"], resources=["file:///a"], templates=["page://{title}"]
    )
    for _, items in wiki.lists.values():
        for item in items:
            item.update(more)
    session = await world.client(key)
    result = b'{"content":[{"type":"resource_link","uri":"x:y"}],"structuredContent":{"n":1.50,"a":[null]}}'

    async def answer(*_):
        return Reply(result=result)

    wiki.behave = answer
    lists = [
        (await world.rpc(method, **session)).json["result"][member][0]
        for method, member in (
            ("tools/list", "tools"),
            ("prompts/list", "prompts"),
            ("resources/list", "resources"),
            ("resources/templates/list", "resourceTemplates"),
        )
    ]
    called = await world.rpc("tools/call", {"name": "wiki__search"}, **session)

    assert all(more.items() <= item.items() for item in lists)
    assert result in called.body
