"""What a client may see is what it may call, and nothing else: for every user, address, mode, group, key and audience,
whatever tools are called here.

The gateway is the running one, its upstreams are scripted. What is visible is worked out here by the rules as the
contract has them, from the same choices the facts were made of.
"""

import asyncio
import json
from dataclasses import dataclass
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcphub.domain.events import (
    SERVERS,
    GroupCreated,
    GroupDeactivated,
    Scope,
    ServerRef,
    ToolDisabled,
    ToolDiscovered,
    ToolRenamed,
    UserPreferencesChanged,
    group_tag,
    server_tag,
    user_tag,
)
from mcphub.domain.tool_book import definition_of
from mcphub.gateway import exposure
from tests.support.facts import NOW
from tests.support.gateway import World
from tests.support.gateway import tool as scripted

SERVER_NAMES = ("desk", "mail", "wiki")
TOOLS = ("a", "b", "c")
GIVEN = ("x", "y", "c")  # names given to tools; one is a tool's own
USERS = ("ann", "bob")
MODES = ("tools", "servers", "auto")
FEW = 3  # tools that `auto` lists one by one here

pytestmark = pytest.mark.slow
subsets = st.sets(st.sampled_from(SERVER_NAMES))


@dataclass(frozen=True)
class Server:
    tools: frozenset[str]
    off: frozenset[str]
    enabled: bool
    meant_for: frozenset[str] | None  # None: everybody
    changed: frozenset[str]  # say something else than the record has
    strict: bool  # what changed waits
    given: tuple[tuple[str, str], ...]  # (tool, the name it was given)

    @property
    def on(self):
        return self.tools - self.off - (self.changed if self.strict else frozenset())

    def called(self, slug, tool):
        """What the tool is called where it is alone: its given name, and its own unless another was given that."""
        given = dict(self.given)
        taken = tool in given.values() and given.get(tool) != tool
        return given.get(tool) or (f"{tool}_{sha256(f'{slug}__{tool}'.encode()).hexdigest()[:6]}" if taken else tool)


@dataclass(frozen=True)
class Person:
    groups: tuple[tuple[frozenset[str], bool], ...]  # (servers, active)
    scope: frozenset[str] | None
    by_key: str | None
    by_user: str | None


servers = st.builds(
    Server,
    tools=st.frozensets(st.sampled_from(TOOLS)),
    off=st.frozensets(st.sampled_from(TOOLS), max_size=2),
    enabled=st.sampled_from((True, True, True, False)),
    meant_for=st.none() | st.none() | st.frozensets(st.sampled_from(USERS)),
    changed=st.frozensets(st.sampled_from(TOOLS), max_size=2),
    strict=st.booleans(),
    given=st.just(())
    | st.permutations(GIVEN).flatmap(
        lambda names: st.lists(st.sampled_from(("a", "b")), unique=True).map(
            lambda tools: tuple(zip(tools, names, strict=False))
        )
    ),
)
people = st.builds(
    Person,
    groups=st.lists(st.tuples(subsets.map(frozenset), st.booleans()), max_size=2).map(tuple),
    scope=st.none() | st.none() | subsets.map(frozenset),
    by_key=st.none() | st.sampled_from(MODES),
    by_user=st.none() | st.sampled_from(MODES),
)


def visible(name, catalogue, person, path):
    """{server: {name of a tool that may be used at this address: its own}}; None when nothing is at the address."""
    grouped = [group for group, active in person.groups if active]
    seen = {
        server
        for server, each in catalogue.items()
        if each.enabled
        and (each.meant_for is None or name in each.meant_for)
        and (not person.groups or any(server in group for group in grouped))
        and (person.scope is None or server in person.scope)
    }
    match path.split("/")[2:]:
        case ["g", number]:
            if int(number) >= len(person.groups) or not person.groups[int(number)][1]:
                return None
            seen &= person.groups[int(number)][0]
        case [server]:
            if server not in seen:
                return None
            seen = {server}
    return {
        server: {catalogue[server].called(server, tool): tool for tool in catalogue[server].on}
        for server in sorted(seen)
    }


def told(world, catalogue, crowd):
    """The facts of these choices; returns each one's key."""
    for name, each in catalogue.items():
        ours = {} if each.meant_for is None else {"audience": {"users": sorted(each.meant_for)}}
        ours |= {"onToolChange": "quarantine"} if each.strict else {}
        world.server(name, *sorted(each.tools), enabled=each.enabled, mcphub=ours)
        for tool in sorted(each.tools):
            hash = "of old" if tool in each.changed else definition_of(json.dumps(scripted(tool)).encode()).hash
            world.record(ToolDiscovered(server_id=name, tool=tool, hash=hash, seen=NOW), server_tag(name))
        for tool in sorted(each.off):
            world.record(ToolDisabled(server_id=name, tool=tool), server_tag(name), SERVERS)
        for tool, wanted in each.given:
            world.record(ToolRenamed(server_id=name, tool=tool, name=wanted), server_tag(name), SERVERS)
    keys = {}
    for name, person in crowd.items():
        scope = Scope(servers=None if person.scope is None else sorted(person.scope), mode=person.by_key)
        keys[name] = world.user(name, scope=scope)
        if person.by_user:
            world.record(UserPreferencesChanged(user_id=name, exposure_mode=person.by_user), user_tag(name))
        for number, (members, active) in enumerate(person.groups):
            group = f"{number}{name}"
            refs = [ServerRef(member, member) for member in sorted(members)]
            made = GroupCreated(group_id=group, user_id=name, name=group, slug=f"own-{number}", servers=refs)
            world.record(made, user_tag(name), group_tag(group))
            if not active:
                world.record(GroupDeactivated(group_id=group, user_id=name), user_tag(name))
    return keys


def is_verbatim(path, mode):
    return not mode and path.removeprefix("/mcp/") in SERVER_NAMES


def expected_names(seen, path, mode, person):
    """The list as it is to be, in order: by server, then as the server has its tools."""
    chosen = mode or person.by_key or person.by_user or "auto"
    count = sum(map(len, seen.values()))
    if is_verbatim(path, mode):
        return [name for tools in seen.values() for name in sorted(tools, key=tools.get)]
    if chosen == "servers" or (chosen == "auto" and count > FEW):
        return [f"server_{server}" for server, tools in seen.items() if tools]
    return [f"{server}__{name}" for server, tools in seen.items() for name in sorted(tools, key=tools.get)]


async def called(world, params, **how):
    """The server's own name of what was called; None when nothing was, and the answer is as for what does not exist."""
    upstream_calls = [len(upstream.asked) for upstream in world.upstreams.values()]
    answer = (await world.rpc("tools/call", params, **how)).json
    now = [upstream.asked[before:] for upstream, before in zip(world.upstreams.values(), upstream_calls, strict=True)]
    calls = [params["name"] for asked in now for _, method, params in asked if method == "tools/call"]
    if "result" in answer and not answer["result"].get("isError"):
        (own,) = calls
        return own
    if "error" in answer:
        assert answer["error"] == {"code": -32602, "message": f"Unknown tool: {params['name']}"}
    assert not calls
    return None


async def check(world, key, catalogue, seen, path, mode, person):
    how = {"key": key, "path": f"{path}?mode={mode}" if mode else path}
    listed = await world.rpc("tools/list", **how)
    if seen is None:
        assert listed.status == 404
        return
    names = [tool["name"] for tool in listed.json["result"]["tools"]]
    assert names == expected_names(seen, path, mode, person)
    if is_verbatim(path, mode):
        server = path.rpartition("/")[2]
        each, here = catalogue[server], seen[server]
        # What it has not, the server refuses by itself, as long as the hub keeps nothing apart there.
        tried = every_name(server, each) if each.given else each.tools
        assert {name: own for name in tried if (own := await called(world, {"name": name}, **how))} == here
        return
    everything = {(server, name) for server in SERVER_NAMES for name in every_name(server, catalogue[server])}
    may = {(server, name): own for server, tools in seen.items() for name, own in tools.items()}
    for server, name in everything | {("nowhere", "a"), ("desk", "none")}:
        inside = {"name": f"server_{server}", "arguments": {"tool_name": name, "arguments": {}}}
        assert await called(world, {"name": f"{server}__{name}"}, **how) == may.get((server, name))
        assert await called(world, inside, **how) == may.get((server, name))
    for server in (*SERVER_NAMES, "nowhere"):
        inside = await world.rpc("tools/call", {"name": f"server_{server}"}, **how)
        named = inside.json.get("result", {}).get("structuredContent", {}).get("tools", [])
        assert {tool["name"] for tool in named} == set(seen.get(server, ()))


def every_name(server, each):
    """Whatever a tool of the server is called here, was called before, or could be."""
    return {*TOOLS, *dict(each.given).values(), *(each.called(server, tool) for tool in TOOLS)}


@settings(max_examples=60, deadline=None)
@given(
    catalogue=st.fixed_dictionaries(dict.fromkeys(SERVER_NAMES, servers)),
    crowd=st.fixed_dictionaries(dict.fromkeys(USERS, people)),
    mode=st.sampled_from(("", *MODES)),
)
def test_what_is_visible_is_callable_and_nothing_else_is(catalogue, crowd, mode):
    async def scenario():
        world = World()
        keys = told(world, catalogue, crowd)
        for name, person in crowd.items():
            for path in ("/mcp", *(f"/mcp/{server}" for server in SERVER_NAMES)):
                seen = visible(name, catalogue, person, path)
                await check(world, keys[name], catalogue, seen, path, mode, person)
            for number in range(2):
                seen = visible(name, catalogue, person, f"/mcp/g/{number}")
                for path in (f"/mcp/own-{number}", f"/mcp/g/{number}{name}"):
                    await check(world, keys[name], catalogue, seen, path, mode, person)

    before, exposure.MOST_TOOLS = exposure.MOST_TOOLS, FEW
    try:
        asyncio.run(scenario())
    finally:
        exposure.MOST_TOOLS = before
