"""What a rehearsal says would be refused is refused once the change is made, and nothing else is."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from tests.support.ide import Ide, RpcError
from tests.support.rest import Admin, Person
from tests.support.running import RunningHub
from tests.support.upstreams import Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

REHEARSE = "/api/admin/rehearse"
Call = tuple[str, str, str]  # user, server, tool


async def called(hub: RunningHub, people: Iterable[Person], tools: Iterable[tuple[str, str]]) -> set[Call]:
    """Calls each tool for each of them, and returns what was refused."""
    refused = set()
    for person in people:
        async with Ide(f"{hub.mcp}?mode=tools", person.key()) as ide:
            for server, tool in tools:
                try:
                    await ide.call(f"{server}__{tool}", text="x")
                except RpcError:
                    refused.add((person.username, server, tool))
    return refused


def foretold(found: dict[str, Any], people: Iterable[Person]) -> set[Call]:
    """Of these people; the hub has others."""
    names = {person.username for person in people}
    return {
        (one["userName"], one["server"], one["tool"]) for one in found["refusals"]["first"] if one["userName"] in names
    }


async def test_what_is_foretold_is_refused_and_nothing_else(
    hub: RunningHub,
    admin: Admin,
    make_user: Callable[[str], Person],
    serve: Callable[..., None],
    upstreams: Upstreams,
    fresh_name: Callable[[str], str],
) -> None:
    desk, wiki = fresh_name("desk"), fresh_name("wiki")
    serve({name: upstreams.http(name, "find", "drop").config() for name in (desk, wiki)})
    people = ann, bob = make_user("ann"), make_user("bob")
    group = bob.group("both", desk, wiki)["id"]
    tools = [(server, tool) for server in (desk, wiki) for tool in ("find", "drop")]
    assert await called(hub, people, tools) == set()
    rows = lambda: [len(person.requests(method="tools/call")) for person in people]  # noqa: E731
    await until(lambda: rows() == [4, 4], within=10, what="the rows of the calls")

    # an audience
    audience = {"users": [ann.username]}
    said = admin.rest.post(REHEARSE, {"audience": {"server": wiki, "audience": audience}})
    expected = {(bob.username, wiki, tool) for tool in ("find", "drop")}
    assert foretold(said, people) == expected
    admin.rest.put(f"/api/servers/{wiki}/audience", {"audience": audience})
    assert await called(hub, people, tools) == expected

    # a whole document, on top of it: what is refused already is not foretold
    document, _ = admin.settings()
    document["mcpServers"][desk]["tools"] = {"drop": {"enabled": False}}
    said = admin.rest.post(REHEARSE, {"settings": {"settings": document}})
    assert foretold(said, people) == {(person.username, desk, "drop") for person in people}
    admin.save_settings(document)
    expected |= foretold(said, people)
    assert await called(hub, people, tools) == expected

    # a user's group
    said = admin.rest.post(REHEARSE, {"group": {"userId": bob.id, "groupId": group, "servers": [wiki]}})
    assert foretold(said, people) == {(bob.username, desk, "find")}
    bob.rest.put(f"/api/user/groups/{group}", {"name": "both", "servers": [wiki]})
    expected |= foretold(said, people)
    assert await called(hub, people, tools) == expected
