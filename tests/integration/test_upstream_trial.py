"""A connection test: the real handshake with typed values, of which nothing is left."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiohttp import web

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import MissingVariables
from mcphub.gateway.trial import Trial, tried
from mcphub.gateway.upstream.pool import RuntimePool
from mcphub.gateway.upstream.runtime import Identity
from mcphub.settings import Settings
from tests.support.raw_upstreams import Heard, WebUpstream, alive, identity, injecting, script, spec, web_upstream
from tests.support.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy.:pytest.PytestDeprecationWarning")

CANARY = "canary-typed-value"
TOKEN = {"SERVICE_TOKEN": "${USER_SERVICE_TOKEN}"}
LISTING = """
import pathlib
for message in messages():
    if "id" not in message: continue
    if message["method"] != "tools/list": continue
    token = os.environ["SERVICE_TOKEN"]
    pathlib.Path("%s").write_text(str(os.getpid()))
    if token == "hang": continue
    if token != "right-token":
        say({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32000, "message": "bad token " + token}})
        continue
    say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    reply(message, {"tools": [{"name": "one", "inputSchema": {}}, {"name": "two", "inputSchema": {}}]})
"""
DYING = """
import os, sys
print("cannot use " + os.environ["SERVICE_TOKEN"], file=sys.stderr, flush=True)
os._exit(3)
"""


class Injecting:
    """An Injector over these stored values."""

    def __init__(self, **stored: str) -> None:
        self.stored = stored

    async def prepare(self, of: ServerSpec, user_id: str, typed: Any = None) -> Any:
        return injecting(of, **{**self.stored, **(typed or {})})


class World:
    def __init__(self, home: Path, scripts: Path) -> None:
        self.scripts = scripts
        self.seen = scripts / "seen"
        self.heard = Heard()
        self.pool = RuntimePool(self.heard, Settings(home=home))

    def process(self, body: str = LISTING) -> ServerSpec:
        said = body % self.seen if "%s" in body else body
        return spec("near", **script(self.scripts, said), env=TOKEN)

    async def trial(self, of: ServerSpec, typed: dict[str, str], *, seconds: float = 20, **stored: str) -> Trial:
        who: Identity = identity("ann", "")
        return await tried(of, who, typed, injector=Injecting(**stored), pool=self.pool, seconds=seconds)  # type: ignore[arg-type]

    async def pid(self) -> int:
        await until(lambda: self.seen.exists() and self.seen.read_text(), within=10, what="the server is asked")
        return int(self.seen.read_text())


@pytest.fixture
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    return uvloop.EventLoopPolicy()


@pytest.fixture
async def world(home: Path, tmp_path: Path) -> AsyncIterator[World]:
    made = World(home, tmp_path)
    yield made
    await made.pool.close()


@pytest.fixture
async def upstream() -> AsyncIterator[WebUpstream]:
    async with web_upstream() as made:
        yield made


async def test_a_typed_value_counts_more_than_the_saved_one_and_the_process_ends_at_once(world: World) -> None:
    near = world.process()

    trial = await world.trial(near, {"SERVICE_TOKEN": "right-token"}, SERVICE_TOKEN="an-old-one")

    assert (trial.ok, trial.step, trial.tool_count, trial.error) == (True, "list", 2, "")
    assert not alive(await world.pid())
    assert world.pool.runtimes() == []
    assert world.heard.methods == []


async def test_a_saved_value_is_tried_when_none_is_typed(world: World) -> None:
    trial = await world.trial(world.process(), {}, SERVICE_TOKEN="right-token")

    assert trial.ok


async def test_what_a_server_says_of_a_value_does_not_show_it(world: World) -> None:
    trial = await world.trial(world.process(), {"SERVICE_TOKEN": CANARY})

    assert (trial.ok, trial.step) == (False, "list")
    assert "bad token" in trial.error
    assert CANARY not in trial.error


async def test_a_process_that_dies_fails_to_connect_and_its_last_words_are_masked(world: World) -> None:
    trial = await world.trial(
        spec("near", command=sys.executable, args=["-c", DYING], env=TOKEN), {"SERVICE_TOKEN": CANARY}
    )

    assert (trial.ok, trial.step) == (False, "connect")
    assert "cannot use" in trial.error
    assert CANARY not in trial.error


async def test_a_failed_trial_makes_nobody_wait(world: World) -> None:
    broken = spec("near", command=sys.executable, args=["-c", DYING], env=TOKEN)

    for _ in range(4):
        await world.trial(broken, {"SERVICE_TOKEN": CANARY})

    assert world.pool.status(broken.server_id).next_retry_at is None
    assert world.pool.status(broken.server_id).error == ""


async def test_a_server_that_does_not_answer_is_given_up_and_leaves_no_process(world: World) -> None:
    trial = await world.trial(world.process(), {"SERVICE_TOKEN": "hang"}, seconds=2)

    assert (trial.ok, trial.step) == (False, "list")
    assert not alive(await world.pid())
    assert world.pool.runtimes() == []


async def test_a_trial_is_lent_to_nobody_while_it_runs(world: World) -> None:
    near = world.process()
    running = asyncio.create_task(world.trial(near, {"SERVICE_TOKEN": "hang"}))
    tried_pid = await world.pid()

    os.unlink(world.seen)
    async with world.pool.lease(near, identity("ann", ""), injecting(near, SERVICE_TOKEN="right-token")) as runtime:
        await runtime.call("tools/list", b"{}", None, timeout=10, reset_on_progress=False, max_total=10)
        lent_pid = await world.pid()
    running.cancel()
    await asyncio.wait({running})

    assert lent_pid != tried_pid
    assert not alive(tried_pid)


async def test_locking_a_user_out_ends_a_trial_under_way(world: World) -> None:
    running = asyncio.create_task(world.trial(world.process(), {"SERVICE_TOKEN": "hang"}))
    pid = await world.pid()

    await world.pool.end_user("ann", "user_deactivated")

    assert not alive(pid)
    assert not (await running).ok


async def test_a_missing_value_is_the_users_to_enter_and_nothing_is_started(world: World) -> None:
    with pytest.raises(MissingVariables):
        await world.trial(world.process(), {})

    assert not world.seen.exists()


async def test_an_http_server_that_refuses_the_value_says_so_without_it(world: World, upstream: WebUpstream) -> None:
    async def refuse(request: web.Request, message: dict[str, Any]) -> web.StreamResponse:
        error = {"code": -32000, "message": f"no entry with {request.headers['Authorization']}"}
        return web.json_response({"jsonrpc": "2.0", "id": message["id"], "error": error})

    upstream.on["initialize"] = refuse
    far = spec("far", type="streamable-http", url=upstream.url, headers={"Authorization": "Bearer ${USER_X_TOKEN}"})

    trial = await world.trial(far, {"X_TOKEN": CANARY})

    assert upstream.headers("initialize")["authorization"] == f"Bearer {CANARY}"
    assert (trial.ok, trial.step) == (False, "initialize")
    assert "no entry with" in trial.error
    assert CANARY not in trial.error


async def test_nothing_behind_the_address_is_a_failed_connection(world: World) -> None:
    gone = spec("far", type="streamable-http", url="http://127.0.0.1:9/mcp", headers={"X-A": "${USER_X_TOKEN}"})

    trial = await world.trial(gone, {"X_TOKEN": CANARY})

    assert (trial.ok, trial.step) == (False, "connect")
    assert CANARY not in trial.error
