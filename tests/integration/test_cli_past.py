"""What there was, what changed and who could, from the host, on a database that DATABASE_URL names."""

from datetime import UTC, datetime

import psycopg
import pytest

from mcphub.domain.actor import acting, system
from mcphub.domain.hub import plugged
from mcphub.domain.servers import AddServer, SetToolEnabled
from mcphub.domain.tool_book import definition_of
from mcphub.domain.tools import Listed, ObserveTools
from mcphub.postgres.ledger import Factory
from mcphub.postgres.pool import command_pool
from tests.support.commands import Commands

pytestmark = pytest.mark.slow

PASSWORD = "correct horse battery staple"


@pytest.fixture
def lived(database, home) -> tuple[Commands, list[int]]:
    """A hub of two people and a server with two tools, one of them switched off; and where it stood before that."""
    commands = Commands(home, {"DATABASE_URL": database.owner_dsn})
    commands.run("user", "create", "ann", "--admin", "--password-stdin", stdin=PASSWORD)
    places = []
    with command_pool(database.app_dsn) as pool:
        Factory.use(pool)
        hub = plugged("mcphub.postgres.ledger:Factory", {})
        tools = [Listed(name, definition_of(b'{"name": "%b"}' % name.encode())) for name in ("search", "create")]
        with acting(system("test")):
            hub.execute(lambda: AddServer("s1", "desk", {"command": "npx", "args": ["-y", "x@1.0.0"]}))
            places.append(hub.execute(lambda: ObserveTools("s1", tools, [], datetime.now(UTC))).position)
            hub.execute(lambda: SetToolEnabled("desk", "create", False))
        hub.close()
    commands.run("user", "create", "bob", "--password-stdin", stdin=PASSWORD)
    commands.run("key", "issue", "bob", "--name", "canary-ide")
    with psycopg.connect(database.app_dsn) as db:
        places.append(db.execute("select position from ledger_head").fetchone()[0])
    return commands, places


@pytest.mark.thorough
def test_the_past_is_asked_from_the_host(lived):
    commands, (early, late) = lived

    then = commands.json("state", "--at", str(early))
    own = commands.json("state", "--user", "bob", "--definitions")
    diff = commands.json("diff", "--from", str(early), "--to", str(late))
    who = commands.json("who-could", "--server", "desk", "--tool", "create", "--at", str(early))
    last = commands.json("who-could", "--server", "desk", "--tool", "create", "--all")

    assert [user["username"] for user in then["state"]["users"]] == ["ann"]
    assert {tool["name"]: tool["state"] for tool in then["state"]["tools"]} == {
        "create": "allowed",
        "search": "allowed",
    }
    assert [user["username"] for user in own["state"]["users"]] == ["bob"]
    assert own["access"]["listed"] == ["desk__search"]
    (desk,) = own["access"]["servers"]
    assert [tool.get("definition") for tool in desk["tools"]] == [None, {"name": "desk__search"}]
    found = {(change["section"], change["kind"], change["name"]) for change in diff["changes"]}
    assert found == {
        ("users", "added", "bob"),
        ("keys", "added", "canary-ide"),
        ("servers", "changed", "desk"),
        ("tools", "changed", "desk create"),
    }
    assert [(user["username"], user["could"]) for user in who["users"]] == [("ann", True)]
    assert {user["username"]: user["reason"] for user in last["users"]} == {
        "ann": "switched_off",
        "bob": "switched_off",
    }

    said = commands.say("state", "--user", "bob")
    assert "tools/list at /mcp (tools): 1\n  desk__search\n" in said
    assert "desk__create  switched_off" in said
    said = commands.say("diff", "--from", str(early), "--to", str(late))
    assert "added    keys canary-ide of bob" in said
    assert "/state  allowed → switched_off" in said
    assert "bob   yes    yes     allowed  canary-ide (allowed)  -" in commands.say("who-could", "--server", "desk")
    assert "has not come yet" in commands.say("state", "--at", "2999-01-01T00:00:00Z", code=2)
    assert "no server 'nothing'" in commands.say("who-could", "--server", "nothing", code=1)
    then = commands.json("why", "ann", "desk/create", "--at", str(early))
    assert (then["allowed"], then["position"], then["since"]["type"]) == (True, early, "ServerAdded")
    said = commands.say("why", "ann", "desk__create")
    assert said.startswith("ann and desk create, position ")
    assert "The tool is switched off.\nSince " in said
    assert f"position {early + 1}: ToolDisabled by system:test" in said
    assert "Server 'desk' has no tool 'gone'" in commands.say("why", "bob", "desk/gone", code=1)
