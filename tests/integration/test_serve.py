"""A hub's process from its first line to its last: what it refuses to start with, what it survives, how it ends."""

import json
import os
import pty
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Database
from tests.support.commands import MCPHUB, Commands
from tests.support.ide import Ide
from tests.support.rest import Rest
from tests.support.running import RunningHub
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

Launch = Callable[..., RunningHub]


@pytest.fixture
def launch(make_home: Callable[[], Path], tmp_path: Path) -> Iterator[Launch]:
    """Makes hubs that are not started yet; `env` None takes a variable away."""
    made: list[RunningHub] = []

    def make(home: Path | None = None, *, demo: bool = False, **env: str | None) -> RunningHub:
        hub = RunningHub(home or make_home(), tmp_path, demo=demo)
        for name, value in env.items():
            hub.env.pop(name, None)
            if value is not None:
                hub.env[name] = value
        made.append(hub)
        return hub

    yield make
    for hub in made:
        hub.end()


def code_of(hub: RunningHub, *, within: float = 30) -> int:
    """Starts it and waits until it gives up."""
    hub.launch()
    assert hub.process is not None
    return hub.process.wait(within)


def one_line(hub: RunningHub) -> str:
    [line] = hub.said().strip().splitlines()
    return line


def gone(hub: RunningHub) -> None:
    eventually(lambda: not hub.processes(), within=5, what=f"no process is left: {hub.processes()}")


# what it refuses to start with


def test_a_port_in_use_is_one_clear_line_and_nothing_was_made(launch: Launch) -> None:
    hub = launch()

    with socket.create_server(("127.0.0.1", hub.port)):
        code = code_of(hub)

    assert code == 1
    assert f"port {hub.port}" in one_line(hub)
    assert "--port" in one_line(hub)
    assert list(hub.home.iterdir()) == []


def test_who_starts_a_hub_twice_is_told_of_the_first_not_of_another_program(launch: Launch) -> None:
    hub = launch()
    (hub.home / "hub.lock").write_text(f"pid {os.getpid()}\n")  # as by a hub that is this process

    with socket.create_server(("127.0.0.1", hub.port)):
        code = code_of(hub)

    assert code == 1
    assert one_line(hub).startswith(f"mcphub: already running: pid {os.getpid()} uses {hub.home}.")


def test_an_address_beyond_this_machine_needs_https_or_the_word_insecure(launch: Launch) -> None:
    hub = launch(MCPHUB_HOST="0.0.0.0")

    assert code_of(hub) == 2
    assert "https" in one_line(hub)


@pytest.mark.thorough
def test_a_weak_administrators_password_is_refused_and_no_hub_runs_with_it(launch: Launch) -> None:
    hub = launch(MCPHUB_ADMIN_PASSWORD="admin")

    assert code_of(hub) == 2
    assert "MCPHUB_ADMIN_PASSWORD" in hub.said()
    gone(hub)
    assert Commands(hub.home).json("user", "list") == []


@pytest.mark.thorough
def test_a_master_key_that_others_may_read_is_refused(launch: Launch) -> None:
    hub = launch().start()
    hub.stop()
    (hub.home / "master.key").chmod(0o644)

    assert code_of(hub) == 2
    assert "chmod 600" in hub.said()


@pytest.mark.thorough
def test_serve_refuses_an_outdated_schema_and_up_brings_it_up_to_date(launch: Launch, empty_database: Database) -> None:
    hub = launch(DATABASE_URL=empty_database.owner_dsn)
    serve = [MCPHUB, "serve", "--home", str(hub.home), "--port", str(hub.port)]

    refused = subprocess.run(serve, env=hub.env, capture_output=True, timeout=30, check=False)
    assert refused.returncode == 2
    assert b"mcphub migrate" in refused.stderr
    hub.start()
    hub.stop()
    with subprocess.Popen(serve, env=hub.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        hub.process = process
        hub.wait_ready()
        assert hub.stop() == 0
    assert not (hub.home / "pg").exists()


# the first administrator and the demo


@pytest.mark.thorough
def test_without_a_password_each_start_prints_a_link_until_somebody_used_one(launch: Launch) -> None:
    hub = launch(MCPHUB_ADMIN_PASSWORD=None).start()
    eventually(lambda: "/setup#" in hub.said(), within=5, what="the link is printed")
    token = hub.said().partition("/setup#")[2].split()[0]
    assert token not in hub.err.read_text()
    Rest(hub.url).post("/api/setup", {"token": token, "username": "root", "password": "a long enough password"})
    hub.stop()
    hub.out.unlink()

    hub.start()

    eventually(lambda: "is ready" in hub.said(), within=5, what="the greeting")
    assert "/setup#" not in hub.said()


@pytest.mark.thorough
def test_an_administrator_who_was_removed_does_not_come_back(launch: Launch) -> None:
    hub = launch().start()
    commands = Commands(hub.home)
    commands.run("user", "create", "other", "--admin", "--password-stdin", stdin="a long enough password")
    commands.run("user", "no-admin", "admin")
    commands.run("user", "erase", "admin", "--yes")
    hub.stop()

    hub.start()

    assert [row["username"] for row in commands.json("user", "list")] == ["other"]


@pytest.mark.thorough
def test_a_demo_that_was_removed_does_not_come_back(launch: Launch) -> None:
    hub = launch(demo=True).start()
    commands = Commands(hub.home)
    eventually(lambda: (hub.home / "first-key").exists(), within=5, what="the key is kept")

    removed = commands.json("demo", "remove")["removed"]
    again = commands.json("demo", "remove")["removed"]
    hub.stop()
    hub.start()

    assert removed == ["server", "user", "key"]
    assert again == []
    assert [row["username"] for row in commands.json("user", "list")] == ["admin"]
    assert hub.admin.rest.get("/api/servers") == []
    assert not (hub.home / "first-key").exists()


@pytest.mark.thorough
def test_there_is_no_demo_beyond_this_machine(launch: Launch) -> None:
    hub = launch(demo=True, MCPHUB_HOST="0.0.0.0", MCPHUB_INSECURE="on").start()

    assert [row["username"] for row in Commands(hub.home).json("user", "list")] == ["admin"]


# what it says


@pytest.mark.thorough
def test_for_a_script_it_answers_with_one_json_value(launch: Launch) -> None:
    hub = launch(demo=True)
    command = [MCPHUB, "up", "--json", "--no-open", "--home", str(hub.home), "--port", str(hub.port)]

    with subprocess.Popen(command, env=hub.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        hub.process = process
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        hub.stop()

    assert said == {"ready": True, "url": hub.url, "setupLink": None, "firstKey": str(hub.home / "first-key")}


@pytest.mark.thorough
def test_on_a_terminal_the_key_is_shown_and_not_kept(launch: Launch) -> None:
    hub = launch(demo=True)
    ours, theirs = pty.openpty()
    command = [MCPHUB, "up", "--no-open", "--home", str(hub.home), "--port", str(hub.port)]
    hub.process = subprocess.Popen(
        command, env=hub.env, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, start_new_session=True
    )
    shown = b""

    deadline = time.monotonic() + 30
    while b"Ctrl-C" not in shown:
        assert select.select([ours], [], [], deadline - time.monotonic())[0], shown
        shown += os.read(ours, 4096)
    hub.stop()

    assert b"Bearer mcphub_" in shown
    assert not (hub.home / "first-key").exists()
    os.close(ours)
    os.close(theirs)


# how it ends


def begin_login(hub: RunningHub) -> tuple[socket.socket, bytes]:
    """A call under way: all of a sign-in but its last bytes, which are returned."""
    body = json.dumps({"username": "admin", "password": hub.password}).encode()
    head = f"POST /api/auth/login HTTP/1.1\r\nHost: 127.0.0.1:{hub.port}\r\nContent-Type: application/json\r\n"
    connection = socket.create_connection(("127.0.0.1", hub.port), timeout=20)
    connection.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body[:-5])
    return connection, body[-5:]


def closed_to_new_ones(hub: RunningHub) -> bool:
    try:
        socket.create_connection(("127.0.0.1", hub.port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.thorough
def test_a_call_under_way_is_answered_before_it_ends(launch: Launch) -> None:
    hub = launch().start()
    connection, rest = begin_login(hub)
    assert httpx.get(f"{hub.url}/livez", trust_env=False).status_code == 200  # what came before was read

    os.kill(hub.pid, signal.SIGTERM)
    eventually(lambda: closed_to_new_ones(hub), within=5, what="nobody new is let in")
    connection.sendall(rest)
    answer = b""
    while piece := connection.recv(65536):
        answer += piece

    assert answer.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in answer.lower()
    assert hub.process is not None
    assert hub.process.wait(10) == 0
    gone(hub)


@pytest.mark.thorough
def test_a_second_signal_makes_it_hurry(launch: Launch) -> None:
    hub = launch().start()
    connection, _ = begin_login(hub)
    os.kill(hub.pid, signal.SIGTERM)
    eventually(lambda: closed_to_new_ones(hub), within=5, what="nobody new is let in")
    assert hub.process is not None
    assert hub.process.poll() is None

    os.kill(hub.pid, signal.SIGINT)

    assert hub.process.wait(5) == 0
    connection.close()
    gone(hub)


@pytest.mark.thorough
def test_whoever_watches_readyz_is_told_before_the_door_closes(launch: Launch) -> None:
    hub = launch(MCPHUB_HOST="0.0.0.0", MCPHUB_INSECURE="on").start()

    os.kill(hub.pid, signal.SIGTERM)

    eventually(
        lambda: httpx.get(f"{hub.url}/readyz", trust_env=False).status_code == 503, within=3, what="not ready is said"
    )
    assert httpx.get(f"{hub.url}/livez", trust_env=False).status_code == 200
    os.kill(hub.pid, signal.SIGTERM)
    assert hub.process is not None
    assert hub.process.wait(5) == 0


@pytest.mark.parametrize("after", [0.3, 0.9])
@pytest.mark.thorough
def test_a_start_that_is_called_off_leaves_nothing_running(launch: Launch, after: float) -> None:
    """The moment is arbitrary on purpose: in imports, in initdb, in migrations, with the server half up."""
    hub = launch()
    hub.launch()
    assert hub.process is not None

    with pytest.raises(subprocess.TimeoutExpired):
        hub.process.wait(after)
    hub.process.terminate()

    assert hub.process.wait(20) in (0, -signal.SIGTERM)
    gone(hub)
    hub.start()
    assert hub.stop() == 0


# what it survives


def answers(rest: Rest) -> bool:
    return rest.send("GET", "/api/oauth/keys").status_code == 200


def test_it_outlives_its_database_and_goes_on_when_that_is_back(launch: Launch) -> None:
    hub = launch().start()
    pid, postmaster = hub.pid, hub.postmaster()
    rest = hub.admin.rest

    os.kill(postmaster, signal.SIGKILL)

    eventually(lambda: postmaster not in {process.pid for process in hub.processes()}, within=5, what="it is gone")
    eventually(lambda: answers(rest), within=20, what="the hub answers from a database again")
    hub.wait_ready(20)
    made = rest.post("/api/oauth/keys", {"name": "after"}, expect=201)
    assert made["name"] == "after"
    assert hub.pid == pid
    assert hub.stop() == 0
    assert Commands(hub.home).json("verify")["ok"] is True


def test_it_starts_again_after_it_was_killed(launch: Launch) -> None:
    hub = launch().start()
    hub.admin.rest.post("/api/oauth/keys", {"name": "before"})

    hub.kill()
    hub.start()

    assert [key["name"] for key in hub.admin.rest.get("/api/oauth/keys")] == ["before"]
    assert hub.stop() == 0


@pytest.mark.thorough
def test_commands_work_beside_a_running_hub_which_sees_what_they_change(launch: Launch) -> None:
    hub = launch().start()
    commands = Commands(hub.home)

    made = commands.json("user", "create", "ann", "--password-stdin", stdin="a long enough password")
    value = commands.json("key", "issue", "ann")["keyValue"]
    answer = hub.admin.rest.http.post(
        "/api/auth/login", json={"username": "ann", "password": "a long enough password", "issueToken": True}
    )

    assert answer.json()["data"]["user"]["id"] == made["id"]
    assert commands.json("setup-link")["setupLink"].startswith(f"{hub.url}/setup#")
    assert f"{hub.url}/mcp" in commands.json("key", "issue", "ann", "--name", "other")["mcpJson"]
    for command in (("verify",), ("rebuild",), ("rebuild", "--check"), ("export",), ("doctor",), ("requests",)):
        commands.run(*command)
    assert value not in hub.said()


@pytest.mark.thorough
async def test_the_history_of_calls_is_shown_with_names(launch: Launch) -> None:
    hub = launch(demo=True).start()
    entry = json.loads((hub.home / "first-key").read_text())["mcpServers"]["mcphub"]
    ide = Ide(entry["url"], entry["headers"]["Authorization"].removeprefix("Bearer "))
    await ide.open()
    await ide.text("demo__days_between", first="2026-01-01", second="2026-01-31")
    await ide.close()
    commands = Commands(hub.home)

    def calls() -> list[dict[str, object]]:
        found: list[dict[str, object]] = commands.json("requests", "--user", "demo", "--method", "tools/call")
        return found

    eventually(
        lambda: [call["status"] for call in calls()] == ["Completed"], within=10, what="the call is in the history"
    )
    [call] = calls()
    assert (call["server"], call["tool"]) == ("demo", "days_between")
    assert "demo" in commands.say("requests", "--last", "1h")
    [figures] = commands.json("requests", "--stats", "tool", "--last", "1h", "--method", "tools/call")
    assert (figures["tool"], figures["count"], figures["errors"]) == ("days_between", 1, 0)
    assert commands.json("requests", "--status", "Failed") == []
    commands.run("requests", "--last", "yesterday", code=2)
