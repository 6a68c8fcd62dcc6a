"""Lists that change behind the clients' backs: asked for once, told to whom they are others, and to nobody else."""

import asyncio

import pytest

from mcphub.domain.events import GroupCreated, ServerRef, UserDeactivated, group_tag, user_tag
from mcphub.gateway import resync
from tests.support.gateway import World, tool

CHANGED = {kind: f"notifications/{kind}/list_changed" for kind in ("tools", "prompts", "resources")}


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(resync, "RETRY_FROM", 0.01)
    monkeypatch.setattr(resync, "RETRY_TO", 0.02)
    return World(list_deadline=0.5)


async def opened(world, key, path="/mcp", *methods):
    """(session, its stream), after these lists."""
    session = await world.client(key, path)
    stream = await world.open("GET", **{**session, "headers": {**session["headers"], "accept": "text/event-stream"}})
    for method in methods or ("tools/list",):
        await world.rpc(method, **session)
    return session, stream


def heard(stream):
    return [message["method"] for message in stream.messages]


def says(world, server, user, kind="tools"):
    world.gateway.server_notification(world.runtime(server, user), CHANGED[kind], b"{}")


def asked(upstream, method="tools/list"):
    return [user for user, one, _ in upstream.asked if one == method]


async def quiet(world):
    """Nothing is asked any more, and whoever had to be told has heard it."""

    def busy():
        streams = [session.own for session in world.gateway._lifecycle.live]
        return (
            world.gateway._resync.waiting
            or world.gateway._telling is not None
            or any(stream.open and stream.taken() != stream._last for stream in streams)
        )

    async with asyncio.timeout(5):
        while busy():  # noqa: ASYNC110  what is waited for has no event
            await asyncio.sleep(0.01)


async def test_a_thousand_words_of_an_upstream_are_few_questions_and_one_notification(world):
    wiki = world.server("wiki", "a")
    session, stream = await opened(world, world.user("ann"))

    wiki.tools.append(tool("new"))
    for number in range(1000):
        says(world, "wiki", "ann")
        if number % 100 == 0:
            await asyncio.sleep(0)
    await quiet(world)

    assert len(asked(wiki)) <= 3
    assert heard(stream) == [CHANGED["tools"]]
    names = (await world.rpc("tools/list", **session)).json["result"]["tools"]
    assert [each["name"] for each in names] == ["wiki__a", "wiki__new"]
    assert len(asked(wiki)) <= 3


async def test_an_upstream_that_cries_wolf_is_asked_and_nobody_is_told(world):
    wiki = world.server("wiki", "a")
    _, stream = await opened(world, world.user("ann"))

    says(world, "wiki", "ann")
    await quiet(world)

    assert asked(wiki) == ["ann", "ann"]
    assert heard(stream) == []


async def test_only_sessions_whose_view_became_another_one_are_told_and_only_of_that_kind(world):
    ann, bob = world.user("ann"), world.user("bob")
    world.server("desk", "a")
    wiki = world.server("wiki", "a").offers(prompts=("p",))
    for user in ("ann", "bob"):
        refs = [ServerRef("desk", "desk")]
        made = GroupCreated(group_id=f"g-{user}", user_id=user, name="g", slug="desks", servers=refs)
        world.record(made, user_tag(user), group_tag(f"g-{user}"))
        both = GroupCreated(
            group_id=f"b-{user}",
            user_id=user,
            name="b",
            slug="both",
            servers=[*refs, ServerRef("wiki", "wiki")],
        )
        world.record(both, user_tag(user), group_tag(f"b-{user}"))
    lists = ("tools/list", "prompts/list")
    _, here = await opened(world, ann, "/mcp", *lists)
    _, other_view = await opened(world, ann, "/mcp/desks", *lists)
    _, only_prompts = await opened(world, ann, "/mcp/both", "prompts/list")
    _, somebody_else = await opened(world, bob, "/mcp", *lists)

    wiki.tools.append(tool("new"))
    says(world, "wiki", "ann")
    await quiet(world)

    assert [heard(each) for each in (here, other_view, only_prompts, somebody_else)] == [[CHANGED["tools"]], [], [], []]
    assert asked(wiki) == ["ann", "bob", "ann"]


async def test_a_template_that_is_new_is_a_change_of_resources(world):
    wiki = world.server("wiki", "a").offers(templates=("x:{a}",))
    _, stream = await opened(world, world.user("ann"), "/mcp", "resources/templates/list")

    wiki.offers(templates=("x:{a}", "y:{b}"))
    says(world, "wiki", "ann", "resources")
    await quiet(world)

    assert heard(stream) == [CHANGED["resources"]]


async def test_what_is_said_while_the_list_is_read_is_not_lost(world):
    wiki = world.server("wiki", "a")
    session, stream = await opened(world, world.user("ann"))
    reading, released, usual = asyncio.Event(), asyncio.Event(), wiki.answer

    async def slow(*how):
        answer = await usual(*how)
        reading.set()
        await released.wait()
        return answer

    wiki.answer = slow
    says(world, "wiki", "ann")
    await asyncio.wait_for(reading.wait(), 5)
    wiki.tools.append(tool("new"))  # after the answer was made
    says(world, "wiki", "ann")
    wiki.answer = usual
    released.set()
    await quiet(world)

    assert heard(stream) == [CHANGED["tools"]]
    names = (await world.rpc("tools/list", **session)).json["result"]["tools"]
    assert [each["name"] for each in names] == ["wiki__a", "wiki__new"]


async def test_a_list_that_another_window_found_changed_is_told_to_the_first(world):
    key = world.user("ann")
    wiki = world.server("wiki", "a")
    _, first = await opened(world, key)

    wiki.tools.append(tool("new"))
    world.gateway._relay.router.changed("wiki", None)  # as after half a minute
    _, second = await opened(world, key)
    await quiet(world)

    assert heard(first) == [CHANGED["tools"]]
    assert heard(second) == []


@pytest.mark.parametrize("listed_before", [False, True])
async def test_a_server_that_was_down_is_back_by_itself_and_who_lacks_it_is_told(world, listed_before):
    key = world.user("ann")
    world.server("desk", "a")
    wiki = world.server("wiki", "a")
    if listed_before:
        await world.rpc("tools/list", key=key)
        world.gateway._relay.router.changed("wiki", None)
        wiki.tools.append(tool("new"))
    wiki.down = "connection refused"
    session, stream = await opened(world, key)
    calls = len(world.traffic.ends)

    wiki.down = ""
    await stream.until(lambda answer: answer.messages)

    assert heard(stream) == [CHANGED["tools"]]
    assert len(world.traffic.ends) == calls  # no request of a client was needed
    names = (await world.rpc("tools/list", **session)).json["result"]["tools"]
    assert "wiki__a" in [each["name"] for each in names]


async def test_nothing_is_asked_for_who_is_gone_or_has_no_values(world):
    key = world.user("ann")
    world.server("needs", "a", headers={"X-Token": "${USER_NEEDS_TOKEN}"})
    wiki = world.server("wiki", "a")
    wiki.down = "connection refused"
    await opened(world, key)
    assert {key[0] for key in world.gateway._resync._workers} == {"wiki"}

    world.record(UserDeactivated(user_id="ann"), user_tag("ann"))
    await quiet(world)

    assert (asked(wiki), world.gateway._resync.waiting) == ([], 0)


async def test_at_its_own_address_a_server_is_heard_itself_and_asked_nothing(world):
    wiki = world.server("wiki", "a")
    _, stream = await opened(world, world.user("ann"), "/mcp/wiki")

    says(world, "wiki", "ann")
    await stream.until(lambda answer: answer.messages)
    await quiet(world)

    assert heard(stream) == [CHANGED["tools"]]
    assert asked(wiki) == ["ann"]


async def test_a_storm_looks_at_the_lists_and_sessions_of_others_no_more_often_than_a_word(world, monkeypatch):
    world.server("wiki", "a")
    for name in ("ann", "bob"):
        await opened(world, world.user(name))
    router, resync_, looked = world.gateway._relay.router, world.gateway._resync, []
    changed, sessions = router.changed, resync_._sessions
    monkeypatch.setattr(router, "changed", lambda *of: looked.append("lists") or changed(*of))
    monkeypatch.setattr(resync_, "_sessions", lambda user: looked.append(user) or sessions(user))

    for _ in range(1000):
        says(world, "wiki", "ann")
    await quiet(world)

    assert looked.count("lists") == 2
    assert {each for each in looked if each != "lists"} == {"ann"}
    assert len(looked) <= 8
