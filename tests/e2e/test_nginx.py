"""A hub behind nginx as the image `web` configures it: official clients and streams get through, and a key in an
address is in no log. The pages are in test_browser_nginx.py.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from mcphub.api.web_ui import FOLDER
from tests.support.ide import Ide
from tests.support.nginx import Nginx
from tests.support.peers import python_client
from tests.support.rest import Person, log_in
from tests.support.running import RunningHub, free_port
from tests.support.waiting import until

pytestmark = pytest.mark.slow

LIST_CHANGED = "notifications/tools/list_changed"


@pytest.fixture(scope="module")
def hub(make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """It believes the X-Forwarded-For of whoever comes from 127.0.0.1, as nginx does."""
    env = {"MCPHUB_TRUSTED_PROXIES": "127.0.0.1"}
    running = RunningHub(make_home(), tmp_path_factory.mktemp("logs"), env=env, demo=True)
    try:
        yield running.start()
    finally:
        running.end()


@pytest.fixture(scope="module")
def nginx(hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    made = Nginx(tmp_path_factory.mktemp("nginx"), hub.port)
    yield made.start()
    made.stop()


@pytest.fixture(scope="module")
def ann(hub: RunningHub) -> Person:
    person = hub.admin.user("ann")
    person.group("mine", "demo")
    return person


def test_the_configuration_is_accepted_without_a_warning(nginx: Nginx) -> None:
    assert "warn" not in nginx.check()


async def test_an_official_client_lists_and_calls(nginx: Nginx, ann: Person) -> None:
    async with python_client(f"{nginx.url}/mcp?mode=tools", ann.key()) as client:
        listed = await client.list_tools()
        result = await client.call_tool("demo__days_between", {"first": "2026-01-01", "second": "2026-01-31"})

    assert len(listed.tools) == 5
    assert result.content[0].text == "30"


async def test_what_a_stream_says_arrives_while_it_is_open(hub: RunningHub, nginx: Nginx, ann: Person) -> None:
    async with Ide(f"{nginx.url}/mcp", ann.key()) as ide:
        await ide.tools()
        await ide.follow()
        begun = time.monotonic()
        hub.admin.add_servers({"later": hub.admin.settings()[0]["mcpServers"]["demo"]})
        ann.rest.post("/api/user/groups", {"name": "more", "servers": ["later"]}, expect=201)

        await until(lambda: ide.heard(LIST_CHANGED, since=begun), within=5, what="the change is heard")

        assert ide.stream_ended == 0


@pytest.mark.thorough
async def test_events_of_the_api_arrive_while_the_stream_is_open(nginx: Nginx, ann: Person) -> None:
    rest = log_in(nginx.url, ann.username, ann.password)
    with rest.http.stream("GET", "/api/events/stream", timeout=10) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        key = ann.rest.post("/api/oauth/keys", {"name": "seen"}, expect=201)
        lines = stream.iter_lines()

        assert any("KeyIssued" in line for line in lines)
    ann.rest.delete(f"/api/oauth/keys/{key['id']}")


def test_who_calls_is_who_came_to_nginx_and_not_who_they_say(hub: RunningHub, nginx: Nginx, ann: Person) -> None:
    """Both addresses are this machine's; nginx is called from the second, and calls the hub from the first."""
    transport = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(transport=transport, headers={"X-Forwarded-For": "203.0.113.9"}) as other:
        token = {"Authorization": ann.rest.http.headers["Authorization"]}
        answer = other.post(f"{nginx.url}/api/user/groups", json={"name": "theirs", "servers": []}, headers=token)

    assert answer.status_code == 201
    position = answer.headers["x-mcphub-position"]
    assert hub.admin.rest.get(f"/api/audit/{position}")["ip"] == "127.0.0.2"


@pytest.mark.thorough
def test_a_body_that_is_too_large_is_refused_in_the_hubs_words(nginx: Nginx, ann: Person) -> None:
    token = {"Authorization": ann.rest.http.headers["Authorization"]}

    answer = httpx.post(f"{nginx.url}/api/user/groups", content=b" " * 6_000_000, headers=token, trust_env=False)

    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"


@pytest.mark.thorough
def test_a_file_of_the_interface_is_what_the_hub_would_give(hub: RunningHub, nginx: Nginx) -> None:
    script = next(path.stem for path in sorted((FOLDER / "assets").glob("*.js.gz")))
    told = ("content-encoding", "cache-control", "x-content-type-options", "referrer-policy")

    ours, theirs = (
        httpx.get(f"{url}/assets/{script}", headers={"Accept-Encoding": "gzip"}, trust_env=False)
        for url in (nginx.url, hub.url)
    )

    assert ours.content == theirs.content
    assert [ours.headers[name] for name in told] == [theirs.headers[name] for name in told]
    assert "x-request-id" not in ours.headers  # it did not come from there


@pytest.mark.thorough
def test_a_file_that_is_not_there_may_be_one_of_the_hubs_version(nginx: Nginx) -> None:
    answer = httpx.get(f"{nginx.url}/assets/gone-00000000.js", trust_env=False)

    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


@pytest.mark.thorough
async def test_a_client_may_have_its_key_in_the_address(nginx: Nginx, ann: Person) -> None:
    async with Ide(f"{nginx.url}/mcp?key={ann.key()}", "") as ide:
        assert await ide.tools()


def test_a_key_in_an_address_is_in_no_log_even_when_the_hub_does_not_answer(
    nginx: Nginx, ann: Person, tmp_path: Path
) -> None:
    key = ann.key()
    paths = [f"/mcp?key={key}", f"/mcp%3Fkey={key}", f"/api/health?KEY={key}", f"/{key}", f"/a?code={key}"]
    alone = Nginx(tmp_path, free_port()).start()
    try:
        for one in (nginx, alone):
            for path in paths:
                answer = httpx.post(one.url + path, headers={"Referer": f"{one.url}/?key={key}"}, trust_env=False)
            broken(one.port, f"GET /mcp?key={key}\x01 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            broken(one.port, f"GET /mcp?key={key} HTTP/1.1\r\nHost: 127.0.0.1\r\nX: {'x' * 40_000}\r\n\r\n")
    finally:
        alone.stop()

    assert (answer.status_code, answer.json()["code"]) == (502, "hub_unreachable")
    said = nginx.said() + alone.said()
    assert key not in said
    assert key[7:] not in said
    lines = [json.loads(line) for line in alone.said().splitlines()]
    assert [line["path"] for line in lines if line["method"] == "POST"] == ["/mcp", "-", "/api/health", "-", "/a"]
    assert [line["status"] for line in lines if line["path"] != "/livez"] == [502] * 5 + [400] * 2


def broken(port: int, request: str) -> None:
    """Sends what is no request, and reads what is said to it."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
