"""Long lists: a thousand items a page, by cursors that say nothing and stay good when the list changes in between."""

import json
import re
from base64 import urlsafe_b64encode

import pytest

from mcphub.domain.events import SERVERS, ToolDisabled, server_tag
from tests.support.gateway import World, tool


@pytest.fixture
def world():
    return World()


async def pages(world, method="tools/list", member="tools", naming="name", **how):
    """The names on each page, and the cursors between them."""
    found, cursors, params = [], [], {}
    while True:
        result = (await world.rpc(method, params, **how)).json["result"]
        found.append([each[naming] for each in result[member]])
        if "nextCursor" not in result:
            return found, cursors
        cursors.append(result["nextCursor"])
        params = {"cursor": cursors[-1]}


async def test_a_page_has_a_thousand_items_in_the_order_of_slugs_and_then_of_each_server(world):
    key = world.user("ann")
    world.server("wiki", *(f"w{number}" for number in range(1500)))
    world.server("desk", *(f"d{number}" for number in reversed(range(900))))
    world.server("mail", "m")

    (first, second, third), cursors = await pages(world, key=key, path="/mcp?mode=tools")

    assert [len(first), len(second), len(third)] == [1000, 1000, 401]
    assert first + second + third == [
        *(f"desk__d{number}" for number in reversed(range(900))),
        "mail__m",
        *(f"wiki__w{number}" for number in range(1500)),
    ]
    assert all(re.fullmatch(r"[\w-]+", cursor) for cursor in cursors)
    assert [request.shown for request in world.traffic.ended_requests] == [1000, 1000, 401]


@pytest.mark.parametrize(
    ("method", "member", "naming"),
    [
        ("prompts/list", "prompts", "name"),
        ("resources/list", "resources", "uri"),
        ("resources/templates/list", "resourceTemplates", "uriTemplate"),
    ],
)
async def test_every_kind_comes_in_pages(method, member, naming):
    world = World(page=2)
    session = await world.client(world.user("ann"))
    three = ("x:1", "x:2", "x:3")
    world.server("wiki").offers(prompts=three, resources=three, templates=three)

    found, _ = await pages(world, method, member, naming, **session)

    assert [[name[-1] for name in page] for page in found] == [["1", "2"], ["3"]]


@pytest.mark.parametrize("gone", ["b", "c", "a"])
async def test_what_vanishes_between_two_pages_loses_nobody_its_neighbours(gone):
    world = World(page=2)
    key = world.user("ann")
    world.server("wiki", "a", "b", "c", "d")
    first = (await world.rpc("tools/list", key=key)).json["result"]

    world.record(ToolDisabled(server_id="wiki", tool=gone), server_tag("wiki"), SERVERS)
    second = (await world.rpc("tools/list", {"cursor": first["nextCursor"]}, key=key)).json["result"]

    assert [each["name"] for each in first["tools"]] == ["wiki__a", "wiki__b"]
    assert [each["name"] for each in second["tools"]] == [f"wiki__{name}" for name in "cd" if name != gone]
    assert "nextCursor" not in second


async def test_a_cursor_that_no_page_gave_out_is_a_bad_parameter():
    world = World(page=1)
    key = world.user("ann")
    world.server("wiki", "a", "b").offers(prompts=("p", "q"))
    of_prompts = (await world.rpc("prompts/list", key=key)).json["result"]["nextCursor"]

    forged = [urlsafe_b64encode(text).decode() for text in (b"tools/list:x:wiki__a", b"tools/list:-1:", b"\xff", b"")]
    for cursor in ("bm8", "%%%", 7, of_prompts, *forged[:-1]):
        answer = await world.rpc("tools/list", {"cursor": cursor}, key=key)
        assert answer.json["error"]["code"] == -32602, cursor


async def test_a_name_that_a_server_lists_twice_is_there_once(world):
    key = world.user("ann")
    world.server("wiki", "a", "b", tool("a", title="again"))

    listed = (await world.rpc("tools/list", key=key)).json["result"]["tools"]

    assert [(each["name"], each.get("title")) for each in listed] == [("wiki__a", None), ("wiki__b", None)]


async def test_the_same_lists_give_the_same_bytes_whatever_order_servers_answered_in():
    bodies = set()
    for order in (("desk", "wiki"), ("wiki", "desk")):
        world = World()
        key = world.user("ann")
        for name in order:
            world.server(name, "b", "a")
        for _ in range(2):
            answer = await world.rpc("tools/list", key=key)
            bodies.add(answer.body)

    [body] = bodies
    assert [each["name"] for each in json.loads(body)["result"]["tools"]] == [
        "desk__b",
        "desk__a",
        "wiki__b",
        "wiki__a",
    ]


async def test_a_list_that_did_not_change_is_joined_once(world, monkeypatch):
    key = world.user("ann")
    world.server("wiki", *(f"t{number}" for number in range(30)))
    first = await world.rpc("tools/list", key=key)
    looked = []
    monkeypatch.setattr(world.model, "offered", lambda *what: looked.append(what))

    second = await world.rpc("tools/list", key=key)

    assert (second.body, looked) == (first.body, [])
