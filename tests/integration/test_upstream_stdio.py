"""A server's process: what it sees, what it says, how it ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from mcphub.gateway.upstream import dialogue, stdio
from mcphub.gateway.upstream.children import MARK, Children
from mcphub.gateway.upstream.runtime import (
    Identity,
    Reply,
    UpstreamBroken,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from mcphub.gateway.upstream.stdio import StdioRuntime
from tests.support.raw_upstreams import Asker, Heard, alive, identity, injecting, script, spec
from tests.support.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore:Overriding the .event_loop_policy.:pytest.PytestDeprecationWarning")


@pytest.fixture
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    """The hub's own loop: the two differ in when they say that a process ended."""
    return uvloop.EventLoopPolicy()


ECHO = """
for message in messages():
    if "id" in message:
        seen = {"pid": os.getpid(), "env": dict(os.environ), "cwd": os.getcwd()}
        reply(message, {"params": message.get("params"), **seen})
"""


class World:
    """Starts processes and ends them."""

    def __init__(self, home: Path, scripts: Path) -> None:
        self.home = home
        self.scripts = scripts
        self.heard = Heard()
        self.children = Children(home)
        self.started: list[StdioRuntime] = []
        self.over: list[str] = []

    def make(
        self,
        body: str = "",
        *,
        who: Identity | None = None,
        shared: bool = False,
        session: str = "",
        mirrors: dict[str, str] | None = None,
        mode: str = "auto",
        **config: Any,
    ) -> StdioRuntime:
        made = spec("raw", **{**(script(self.scripts, body) if body else {}), **config})
        whom = who or identity()
        runtime = StdioRuntime(
            made,
            whom,
            injecting(made, SERVICE_TOKEN="value-of-ann")(),
            self.heard,
            user_id=None if shared else whom.user_id,
            session_id=session,
            children=self.children,
            mirrors=mirrors or {},
            mode=mode,
            protected=[str(self.home)],
            hub_version="1",
            over=lambda ended: self.over.append(ended.ended),
        )
        self.started.append(runtime)
        return runtime

    async def open(self, body: str = "", **how: Any) -> StdioRuntime:
        runtime = self.make(body, **how)
        await runtime.open()
        return runtime

    async def close(self) -> None:
        await asyncio.gather(*(runtime.close("the test is over", at_once=True) for runtime in self.started))


@pytest.fixture
async def world(home: Path, tmp_path: Path) -> AsyncIterator[World]:
    made = World(home, tmp_path)
    yield made
    await made.close()


async def call(
    runtime: StdioRuntime,
    method: str = "tools/call",
    params: dict[str, Any] | None = None,
    caller: Asker | None = None,
    *,
    timeout: float = 5,  # noqa: ASYNC109
    max_total: float = 30,
) -> Reply:
    raw = json.dumps(params or {}).encode()
    return await runtime.call(
        method, raw, caller or Asker(), timeout=timeout, reset_on_progress=True, max_total=max_total
    )


async def facts(runtime: StdioRuntime, **params: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((await call(runtime, params=params)).result or b"")
    return found


def mode_of(path: str) -> int | None:
    """Permissions; None when there is no such file."""
    return os.stat(path).st_mode & 0o777 if os.path.exists(path) else None


# what it sees


async def test_a_process_sees_its_configuration_its_user_and_nothing_of_the_hub(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://canary")
    monkeypatch.setenv("MCPHUB_ADMIN_PASSWORD", "canary")
    monkeypatch.setenv("PYTHONPATH", "/canary")

    runtime = await world.open(ECHO, env={"SERVICE_TOKEN": "${USER_SERVICE_TOKEN}", "MODE": "test"})
    env = (await facts(runtime))["env"]

    assert (env["SERVICE_TOKEN"], env["MODE"]) == ("value-of-ann", "test")
    assert (env["MCPHUB_USER_ID"], env["MCPHUB_SESSION_ID"]) == ("ann", "s-ann")
    assert "canary" not in str(env)
    allowed = {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "HOME", "TMPDIR", "MODE", "SERVICE_TOKEN", MARK}
    assert set(env) <= allowed | {"MCPHUB_USER_ID", "MCPHUB_SESSION_ID"}


async def test_a_process_lives_in_a_private_directory_of_its_user_and_server(world: World) -> None:
    ann = await facts(await world.open(ECHO))
    bob = await facts(await world.open(ECHO, who=identity("bob")))

    assert ann["cwd"] == ann["env"]["HOME"] == str(world.home / "children/raw/ann")
    assert bob["cwd"] == str(world.home / "children/raw/bob")
    assert mode_of(ann["cwd"]) == 0o700
    assert ann["env"]["TMPDIR"] == f"{ann['cwd']}/tmp"


async def test_no_configuration_says_who_the_user_is(world: World) -> None:
    runtime = await world.open(ECHO, env={"MCPHUB_USER_ID": "eve"})

    assert (await facts(runtime))["env"]["MCPHUB_USER_ID"] == "ann"


async def test_a_process_for_everybody_is_told_of_nobody_but_each_call_says_whom_it_is_for(world: World) -> None:
    runtime = await world.open(ECHO, shared=True)
    raw = b'{"_meta":{"theirs":1.50}}'

    reply = await runtime.call(
        "tools/call",
        raw,
        Asker("r-bob"),
        timeout=5,
        reset_on_progress=True,
        max_total=9,
        identity=identity("bob", "s-bob"),
    )

    found = json.loads(reply.result or b"")
    assert "MCPHUB_USER_ID" not in found["env"]
    assert found["params"]["_meta"] == {
        "theirs": 1.5,
        "mcphub/userId": "bob",
        "mcphub/sessionId": "s-bob",
        "mcphub/requestId": "r-bob",
    }


async def test_a_server_that_wants_no_context_gets_its_parameters_as_they_were(world: World) -> None:
    runtime = await world.open(ECHO, mcphub={"contextHeaders": "none"})

    assert (await facts(runtime, name="x"))["params"] == {"name": "x"}


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        ("npx", "npm_config_registry"),
        ("node", "npm_config_registry"),
        ("uvx", "UV_DEFAULT_INDEX"),
        ("python3", "UV_DEFAULT_INDEX"),
    ],
)
async def test_packages_come_from_the_mirror_the_administrator_named(
    world: World, monkeypatch: pytest.MonkeyPatch, command: str, variable: str
) -> None:
    monkeypatch.setattr(stdio, "_found", lambda _: sys.executable)
    mirrors = {"npmRegistry": "https://npm.example/", "pythonIndexUrl": "https://pypi.example/simple"}

    with_mirrors = (await facts(await world.open(ECHO, mirrors=mirrors, command=command)))["env"]
    without = (await facts(await world.open(ECHO, command=command)))["env"]

    named = {"npm_config_registry": "https://npm.example/", "UV_DEFAULT_INDEX": "https://pypi.example/simple"}
    assert {name: value for name, value in with_mirrors.items() if name in named} == {variable: named[variable]}
    assert not set(named) & set(without)


@pytest.mark.parametrize("value", ["; touch owned", "$(touch owned)", "--eval=x", "a b\tc", "'\"", "x" * 100_000])
async def test_an_argument_stays_one_argument(world: World, value: str) -> None:
    runtime = await world.open("\nfor message in messages():\n    reply(message, sys.argv[1:])\n")
    made = spec("raw", command=sys.executable, args=[*runtime._injected.args, value])
    runtime = await world.open(command=made.command, args=list(made.args))

    assert json.loads((await call(runtime)).result or b"") == [value]
    assert not list(world.home.rglob("owned"))


# what it says


async def test_results_arrive_byte_for_byte(world: World) -> None:
    odd = '{"z":1.50,"a":[1e2,12345678901234567890],"isError":"no","x-vendor":{"k":null}}'
    body = f"""
for message in messages():
    say('{{"jsonrpc":"2.0","id":%d,"result":{odd}}}' % message["id"])
"""

    assert (await call(await world.open(body))).result == odd.encode()


async def test_a_request_with_line_breaks_arrives_as_one_line(world: World) -> None:
    runtime = await world.open(ECHO, mcphub={"contextHeaders": "none"})

    reply = await runtime.call("tools/call", b'{\n "a":\r\n 1}', None, timeout=5, reset_on_progress=False, max_total=5)

    assert json.loads(reply.result or b"")["params"] == {"a": 1}


async def test_calls_at_the_same_time_get_their_own_answers(world: World) -> None:
    body = """
held = []
for message in messages():
    held.append(message)
    if len(held) == 20:
        for one in reversed(held):
            reply(one, one["params"]["n"])
"""
    runtime = await world.open(body)

    answers = await asyncio.gather(*(call(runtime, params={"n": n}) for n in range(20)))

    assert [answer.result for answer in answers] == [b"%d" % n for n in range(20)]


async def test_what_is_no_message_is_passed_over_and_counted(world: World) -> None:
    body = """
print("Listening on port 3000")
print("{broken")
print()
for message in messages():
    print("[debug] working")
    reply(message, {"fine": True})
"""
    runtime = await world.open(body)

    assert (await call(runtime)).result == b'{"fine": true}'
    assert runtime.noise == 3


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ('{"jsonrpc":"2.0","id":%d,"result":{"mean":NaN}}', "no JSON-RPC message"),
        ('{"result":{"mean":NaN},"jsonrpc":"2.0","id":%d}', "no JSON-RPC message"),
        ('{"jsonrpc":"2.0","id":%d,"error":"boom"}', "error that is no object"),
    ],
)
async def test_who_waits_for_an_answer_that_cannot_be_read_hears_so_at_once(
    world: World, answer: str, why: str
) -> None:
    runtime = await world.open(f"\nfor message in messages():\n    say({answer!r} % message['id'])\n")

    with pytest.raises(UpstreamBroken, match=why):
        await call(runtime)


async def test_an_answer_whose_id_became_a_text_still_counts(world: World) -> None:
    runtime = await world.open("\nfor message in messages():\n    reply({'id': str(message['id'])}, {'fine': True})\n")

    assert (await call(runtime)).result == b'{"fine": true}'


async def test_a_large_result_arrives_whole(world: World) -> None:
    runtime = await world.open("\nfor message in messages():\n    reply(message, 'x' * 5_000_000)\n")

    assert len((await call(runtime)).result or b"") == 5_000_002


async def test_progress_reaches_the_call_it_belongs_to_under_the_clients_own_token(world: World) -> None:
    """Two sessions that share a process may use the same token."""
    body = """
held = []
for message in messages():
    held.append(message)
    if len(held) == 2:
        for one in held:
            token = one["params"]["_meta"]["progressToken"]
            say({"jsonrpc": "2.0", "method": "notifications/progress",
                 "params": {"progressToken": token, "progress": one["params"]["n"]}})
        say({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "stranger"}})
        for one in held:
            reply(one, {})
"""
    runtime = await world.open(body)
    first, second = Asker(), Asker()

    await asyncio.gather(
        call(runtime, params={"n": 1, "_meta": {"progressToken": "same"}}, caller=first),
        call(runtime, params={"n": 2, "_meta": {"progressToken": "same"}}, caller=second),
    )

    assert [message["params"] for message in first.messages] == [{"progressToken": "same", "progress": 1}]
    assert [message["params"] for message in second.messages] == [{"progressToken": "same", "progress": 2}]


async def test_a_log_message_goes_to_the_newest_call_and_news_to_the_listener(world: World) -> None:
    body = """
for message in messages():
    say({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info"}})
    say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    reply(message, {})
"""
    caller = Asker()

    await call(await world.open(body), caller=caller)

    assert [message["method"] for message in caller.messages] == ["notifications/message"]
    assert world.heard.methods == ["notifications/tools/list_changed"]


async def test_a_question_goes_to_the_newest_call_and_else_to_nobody(world: World) -> None:
    body = """
say({"jsonrpc": "2.0", "id": "early", "method": "roots/list"})
asked, answers = None, {}
for message in messages():
    if "method" not in message:
        answers[message["id"]] = message
    else:
        asked = message
        say({"jsonrpc": "2.0", "id": 7, "method": "roots/list", "params": {"a": 1}})
        say({"jsonrpc": "2.0", "id": "p", "method": "ping"})
    if asked and len(answers) == 3:
        reply(asked, answers)
"""
    runtime = await world.open(body)
    caller = Asker(roots_list={"roots": []})

    answers = json.loads((await call(runtime, caller=caller)).result or b"")

    assert answers["early"]["error"]["code"] == -32601
    assert answers["7"]["result"] == {"roots": []}
    assert answers["p"]["result"] == {}
    assert caller.asked == [("roots/list", {"a": 1})]


# time


async def test_who_asks_without_end_and_reads_no_answer_costs_no_memory(world: World) -> None:
    body = """
for message in messages():
    question = json.dumps({"jsonrpc": "2.0", "id": "same", "method": "roots/list", "params": {"x": "x" * 1000}})
    sys.stdout.write((question + chr(10)) * 20000)
    sys.stdout.flush()
    reply(message, {})
    time.sleep(60)
"""
    runtime = await world.open(body)
    caller = Asker(roots_list={"roots": [{"uri": "file:///" + "x" * 2000}]})

    await call(runtime, caller=caller, timeout=30)

    assert len(caller.asked) < 1000  # of 20,000: those at once, and those whose answers a socket's buffer takes
    assert len(asyncio.all_tasks()) < dialogue.MOST_UNREAD + 50


async def test_a_process_that_reads_nothing_is_not_written_to_without_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio, "MOST_UNREAD", 10_000)
    runtime = await world.open("\nfor message in messages():\n    time.sleep(60)\n")
    large = {"x": "x" * 300_000}

    for _ in range(2):  # it reads one, and the next one waits
        with pytest.raises(UpstreamTimeout):
            await call(runtime, params=large, timeout=0.3)
    with pytest.raises(UpstreamUnreachable, match="does not read what it is told") as caught:
        await call(runtime, params=large)

    assert not caught.value.sent


async def test_a_call_that_takes_too_long_ends_and_the_process_is_told(world: World) -> None:
    body = """
for message in messages():
    if message["method"] == "notifications/cancelled":
        say({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": message["params"]})
"""
    runtime = await world.open(body)

    with pytest.raises(UpstreamTimeout):
        await call(runtime, timeout=0.05)

    await until(lambda: world.heard.frames, within=3, what="the process is told")
    assert json.loads(world.heard.frames[0])["params"] == {"requestId": 2, "reason": "timed out"}


async def test_progress_keeps_a_call_going_but_not_beyond_its_whole_time(world: World) -> None:
    body = """
for message in messages():
    if message["method"] != "tools/call": continue
    for step in range(12):
        time.sleep(0.05)
        say({"jsonrpc": "2.0", "method": "notifications/progress",
             "params": {"progressToken": message["params"]["_meta"]["progressToken"], "progress": step}})
    reply(message, {})
"""
    runtime = await world.open(body)
    params = {"_meta": {"progressToken": 1}}

    assert (await call(runtime, params=params, timeout=0.3)).result == b"{}"
    with pytest.raises(UpstreamTimeout):
        await call(runtime, params=params, timeout=0.3, max_total=0.4)


# beginning and failing


async def test_a_command_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(UpstreamUnreachable, match="no command 'not-there'") as caught:
        await world.open(command="not-there")

    assert not caught.value.sent


async def test_a_process_that_ends_before_it_begins_is_quoted_without_its_secrets(world: World) -> None:
    body = "\nprint('cannot use', os.environ['SERVICE_TOKEN'], file=sys.stderr)\nsys.exit(4)\n"

    with pytest.raises(UpstreamUnreachable) as caught:
        await world.open(body, env={"SERVICE_TOKEN": "${USER_SERVICE_TOKEN}"})

    assert "ended with code 4" in str(caught.value)
    assert "cannot use [hidden]" in str(caught.value)


async def test_a_process_that_says_nothing_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "INITIALIZE_SECONDS", 0.1)

    with pytest.raises(UpstreamUnreachable, match=r"no answer within 0\.1 s"):
        await world.open("\ntime.sleep(600)\n")


async def test_a_process_that_dies_fails_what_is_under_way_and_says_it_may_have_been_done(world: World) -> None:
    runtime = await world.open("\nfor message in messages():\n    os.kill(os.getpid(), 9)\n")

    with pytest.raises(UpstreamUnreachable, match="killed by signal 9") as caught:
        await call(runtime)

    assert caught.value.sent
    assert world.over == ["its process was killed by signal 9"]
    with pytest.raises(UpstreamUnreachable) as again:
        await call(runtime)
    assert not again.value.sent


async def test_an_answer_written_right_before_the_end_still_counts(world: World) -> None:
    runtime = await world.open("\nfor message in messages():\n    reply(message, 'last'); os._exit(0)\n")

    assert (await call(runtime)).result == b'"last"'


async def test_a_process_whose_helper_holds_its_output_is_still_seen_to_end(world: World) -> None:
    body = """
for message in messages():
    subprocess.Popen(["sleep", "600"])
    os._exit(3)
"""
    runtime = await world.open(body)

    with pytest.raises(UpstreamUnreachable, match="code 3"):
        await call(runtime)


async def test_a_process_that_closes_its_output_is_over(world: World) -> None:
    runtime = await world.open("\nfor message in messages():\n    os.close(1); time.sleep(600)\n")

    with pytest.raises(UpstreamUnreachable, match="closed its output"):
        await call(runtime)


async def test_a_line_without_end_is_the_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stdio, "MOST_LINE", 1 << 16)
    runtime = await world.open(
        "\nfor message in messages():\n    sys.stdout.write('{' * 1_000_000); sys.stdout.flush(); time.sleep(600)\n"
    )

    with pytest.raises(UpstreamUnreachable, match="a line of more than"):
        await call(runtime)


async def test_a_process_that_floods_keeps_nobody_else_waiting(world: World) -> None:
    body = """
for message in messages():
    noise = json.dumps({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {}}) + chr(10)
    sys.stdout.write(noise * 60_000)
    reply(message, {})
"""
    runtime = await world.open(body)
    loop, longest, last = asyncio.get_running_loop(), 0.0, time.monotonic()

    running = asyncio.create_task(call(runtime, timeout=30))
    while not running.done():
        await asyncio.sleep(0.001)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()

    assert loop.is_running()
    assert len(world.heard.methods) == 60_000
    assert longest < 0.1


# ending


async def test_a_process_ends_when_its_input_does(world: World) -> None:
    runtime = await world.open(ECHO)
    pid = (await facts(runtime))["pid"]
    began = time.monotonic()

    await runtime.close("idle")

    assert not alive(pid)
    assert time.monotonic() - began < stdio.STEP_SECONDS


STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
helper = subprocess.Popen([sys.executable, "-c", deaf])
for message in messages():
    reply(message, [os.getpid(), helper.pid])
time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("at_once", "within"), [(True, 0.9), (False, 2 * stdio.STEP_SECONDS + 1)])
@pytest.mark.thorough
async def test_a_process_that_will_not_end_is_killed_with_its_helpers(
    world: World, at_once: bool, within: float
) -> None:
    runtime = await world.open(STUBBORN)
    pids = json.loads((await call(runtime)).result or b"")
    began = time.monotonic()

    await runtime.close("user_deactivated", at_once=at_once)

    await until(lambda: not any(alive(pid) for pid in pids), within=1, what="they are gone")
    assert time.monotonic() - began < within


async def test_what_is_under_way_when_it_is_ended_fails_at_once(world: World) -> None:
    runtime = await world.open("\nfor message in messages():\n    pass\n")
    running = asyncio.create_task(call(runtime))
    await asyncio.sleep(0)

    await runtime.close("user_deactivated", at_once=True)

    with pytest.raises(UpstreamUnreachable, match="user_deactivated"):
        await running
    assert world.over == []


async def test_helpers_of_a_process_that_died_are_ended_too(world: World) -> None:
    body = """
helper = subprocess.Popen(["sleep", "600"])
for message in messages():
    reply(message, helper.pid)
"""
    runtime = await world.open(body)
    helper = int((await call(runtime)).result or b"")
    assert runtime.pid is not None
    os.kill(runtime.pid, signal.SIGKILL)

    await until(lambda: not alive(helper), within=3, what="the helper is gone")


async def test_the_directory_of_a_single_session_goes_with_it(world: World) -> None:
    runtime = await world.open(ECHO, session="s-ann")
    place = (await facts(runtime))["cwd"]
    assert place.startswith(str(world.home / "children/raw/ann/"))

    await runtime.close("its session ended")

    assert mode_of(place) is None
    assert mode_of(str(world.home / "children/raw/ann")) == 0o700


@pytest.mark.parametrize(("command", "variable"), [("npx", "npm_config_cache"), ("uvx", "UV_CACHE_DIR")])
async def test_what_a_session_fetched_is_there_for_the_next_one_of_its_user_and_for_nobody_else(
    world: World, monkeypatch: pytest.MonkeyPatch, command: str, variable: str
) -> None:
    monkeypatch.setattr(stdio, "_found", lambda _: sys.executable)
    body = f"""
place = os.environ["{variable}"]
os.makedirs(place, exist_ok=True)
open(os.path.join(place, str(os.getpid())), "w").close()
for message in messages():
    reply(message, {{"place": place, "found": len(os.listdir(place))}})
"""

    seen = []
    for who, session in (("ann", "s-1"), ("ann", "s-2"), ("bob", "s-3")):
        runtime = await world.open(body, who=identity(who), session=session, command=command)
        seen.append(json.loads((await call(runtime)).result or b""))
        await runtime.close("its session ended")

    assert [one["found"] for one in seen] == [1, 2, 1]
    assert seen[0]["place"] == seen[1]["place"] != seen[2]["place"]
    assert seen[0]["place"].startswith(str(world.home / "children/raw/ann/packages"))
    assert mode_of(str(world.home / "children/raw/ann/packages")) == 0o700


async def test_a_process_of_all_sessions_keeps_what_it_fetched_in_its_home(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio, "_found", lambda _: sys.executable)

    env = (await facts(await world.open(ECHO, command="npx")))["env"]

    assert not {"npm_config_cache", "UV_CACHE_DIR"} & set(env)


# after a hub that was killed


HUB = """
import asyncio, sys
from pathlib import Path
from mcphub.gateway.upstream.children import Children
from tests.integration.test_upstream_stdio import World

async def main():
    world = World(Path(sys.argv[1]), Path(sys.argv[2]))
    runtime = await world.open(Path(sys.argv[3]).read_text())
    found = (await runtime.call("x", b"{}", None, timeout=5, reset_on_progress=False, max_total=5)).result
    print(found.decode(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
ESCAPED = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
helper = subprocess.Popen(["sleep", "600"], start_new_session=True)
inside = subprocess.Popen(["sleep", "600"])
for message in messages():
    reply(message, [os.getpid(), helper.pid, inside.pid])
time.sleep(600)
"""


async def test_what_a_killed_hub_left_behind_is_ended_by_the_next(home: Path, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_text(ESCAPED)
    (tmp_path / "scripts").mkdir()
    hub = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HUB, str(home), str(tmp_path / "scripts"), str(body), stdout=asyncio.subprocess.PIPE
    )
    assert hub.stdout is not None
    leader, *helpers = json.loads(await asyncio.wait_for(hub.stdout.readline(), 20))
    hub.kill()
    await hub.wait()
    await until(lambda: not alive(leader), within=3, what="its own child dies with it")
    assert all(alive(pid) for pid in helpers)

    killed = Children(home).sweep()

    assert killed == 2
    await until(lambda: not any(alive(pid) for pid in helpers), within=3, what="nothing is left")
    assert Children(home).sweep() == 0


def test_a_number_that_belongs_to_somebody_else_by_now_is_left_alone(
    home: Path, start_process: Callable[[], int]
) -> None:
    bystander = start_process()
    children = Children(home)
    children.mark(bystander, "mark-of-before")
    mark = home / "children/running/mark-of-before"
    mark.write_text(f"{bystander} 12345@another-boot")

    assert children.sweep() == 0
    assert alive(bystander)
    assert not mark.exists()


@pytest.fixture
def start_process() -> Iterator[Callable[[], int]]:
    started = []

    def start() -> int:
        started.append(subprocess.Popen(["sleep", "600"], start_new_session=True))
        return started[-1].pid

    yield start
    for process in started:
        process.kill()
        process.wait()
