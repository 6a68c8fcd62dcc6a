"""A change of who may do what is felt by the very next request, whichever way it comes, and ends streams that are open.

One administrator is everywhere at once: in a browser, by a script, in an IDE with a session and its stream, and on a
live stream of log lines. Each row of the table is a change, and what each of these gets first thing after its answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.support.ide import HttpError, Ide, RpcError, events, frames_of
from tests.support.rest import Admin, Person
from tests.support.short_form import in_short_form
from tests.support.upstreams import HttpServer, Upstreams
from tests.support.waiting import until

pytestmark = pytest.mark.slow

WITHIN = 10.0  # seconds
STATELESS, RESERVED = "2026-07-28", "io.modelcontextprotocol/"
LIST_CHANGED = "notifications/tools/list_changed"

NOTHING_CHANGES = {
    "browser": "200",
    "browser, administering": "200",
    "script": "200",
    "script, administering": "200",
    "tool call": "answered",
    "tool call without a session": "answered",
    "new IDE session": "opened",
    "IDE stream": "open",
    "IDE stream without a session": "open",
    "log stream": "open",
}
IDE_STREAMS_END = {"IDE stream": "ended", "IDE stream without a session": "ended"}
STREAMS_END = {**IDE_STREAMS_END, "log stream": "ended"}
NO_MORE_SESSIONS = {
    "browser": "401 session_ended",
    "browser, administering": "401 session_ended",
    "script": "401 session_ended",
    "script, administering": "401 session_ended",
    **STREAMS_END,
}
LOCKED_OUT = {
    "browser": "403 user_inactive",
    "browser, administering": "403 user_inactive",
    "script": "403 user_inactive",
    "script, administering": "403 user_inactive",
    **STREAMS_END,
}
NO_KEY = {"tool call": "401", "tool call without a session": "401", "new IDE session": "401", **IDE_STREAMS_END}
NO_BROWSER = {
    "browser": "401 session_ended",
    "browser, administering": "401 session_ended",
    "log stream": "ended",  # the browser opened it
}
NO_SCRIPT = {"script": "401 session_ended", "script, administering": "401 session_ended"}
NO_IDE_SESSION = {"tool call": "404", "IDE stream": "ended"}
NO_MCP_SESSION = {"tool call": "404", **IDE_STREAMS_END}
DEMOTED = {
    "browser, administering": "403 admin_required",
    "script, administering": "403 admin_required",
    "log stream": "ended",
}
UNKNOWN_TOOL = {"tool call": "unknown tool", "tool call without a session": "unknown tool"}

TABLE: dict[str, dict[str, str]] = {
    "demoted": DEMOTED,
    "demoted and deactivated": LOCKED_OUT | NO_KEY,  # an administrator is protected from the rest
    "demoted and deleted": NO_MORE_SESSIONS | NO_KEY,
    "demoted and erased": NO_MORE_SESSIONS | NO_KEY,
    "taken from the audience by the server's own settings": UNKNOWN_TOOL,
    "taken from the audience by a request of its own": UNKNOWN_TOOL,
    "taken from the audience by the settings file": UNKNOWN_TOOL,
    "the server is switched off": UNKNOWN_TOOL,
    "a group without the server becomes their only one": UNKNOWN_TOOL,
    "the key is revoked by its user": NO_KEY,
    "the key is revoked by an administrator": NO_KEY,
    "the key is narrowed to another server": UNKNOWN_TOOL,
    "signs out everywhere": NO_MORE_SESSIONS | NO_MCP_SESSION,
    "signed out by an administrator": NO_MORE_SESSIONS | NO_MCP_SESSION,
    "signs out in the browser": NO_BROWSER,
    "the browser's session is ended from the script": NO_BROWSER,
    "the script's session is ended from the browser": NO_SCRIPT,
    "the IDE's session is ended by an administrator": NO_IDE_SESSION,
    "a new password, by the script": NO_BROWSER | NO_SCRIPT,
}


class Everywhere:
    """Somebody who administers, wherever one can be. `far` is a server meant for them, `other` one for everybody."""

    def __init__(self, admin: Admin, person: Person, far: str, other: str, config: dict[str, Any]) -> None:
        self.admin = admin
        self.person = person
        self.far, self.other, self.config = far, other, config
        self.browser = httpx.AsyncClient(base_url=person.url, timeout=30, trust_env=False)
        self.script = httpx.AsyncClient(base_url=person.url, timeout=30, trust_env=False)
        self.script.headers["Authorization"] = person.rest.http.headers["Authorization"]
        self.ide = Ide(f"{person.url}/mcp?mode=tools", person.key())
        self.records: list[dict[str, Any]] = []
        self.log_ended = False
        self.listened: list[dict[str, Any]] = []
        self.listening_ended = False
        self._reading: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Everywhere":
        login = {"username": self.person.username, "password": self.person.password}
        answer = await self.browser.post("/api/auth/login", json=login)
        self.browser.headers["X-CSRF-Token"] = answer.json()["data"]["csrfToken"]
        await self.ide.open()
        await self.ide.tools()  # who has seen no list is not told that it changed
        await self.ide.follow()
        opened = asyncio.Event(), asyncio.Event()
        self._reading = [asyncio.create_task(self._read(opened[0])), asyncio.create_task(self._listen(opened[1]))]
        for one in opened:
            await asyncio.wait_for(one.wait(), WITHIN)
        return self

    async def __aexit__(self, *_: object) -> None:
        for reading in self._reading:
            reading.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)
        await self.ide.close()
        await self.browser.aclose()
        await self.script.aclose()

    async def _read(self, opened: asyncio.Event) -> None:
        try:
            async with self.browser.stream("GET", "/api/logs/stream", timeout=None) as response:
                assert response.status_code == 200
                opened.set()
                async for record in events(response):
                    self.records.append(record)
        finally:
            self.log_ended = True

    async def _listen(self, opened: asyncio.Event) -> None:
        """As a client of 2026-07-28 does it: a request whose answer is the stream."""
        message, headers = _stateless("subscriptions/listen", {"notifications": {"toolsListChanged": True}})
        headers |= {"Authorization": f"Bearer {self.person.key()}", "Accept": "application/json, text/event-stream"}
        try:
            async with (
                httpx.AsyncClient(trust_env=False, timeout=None) as client,
                client.stream("POST", self.ide.url, json=message, headers=headers) as response,
            ):
                assert response.status_code == 200
                async for frame in events(response):
                    self.listened.append(frame)
                    opened.set()  # the first word says what will be heard
        finally:
            self.listening_ended = True

    async def session(self, of: httpx.AsyncClient) -> str:
        """Id of the session of the browser, or of the script."""
        answer = await of.get("/api/user/sessions")
        return next(str(session["id"]) for session in answer.json()["data"] if session["current"])

    async def gets(self) -> dict[str, str]:
        """What each way of being there gets now: one request each, all at once, and then what became of the streams."""
        asked = {
            "browser": asking(self.browser, "/api/user/me"),
            "browser, administering": asking(self.browser, "/api/admin/users"),
            "script": asking(self.script, "/api/user/me"),
            "script, administering": asking(self.script, "/api/admin/users"),
            "tool call": outcome(self.ide.call(f"{self.far}__echo", text="here")),
            "tool call without a session": outcome(self._call_without_session(f"{self.far}__echo", text="here")),
            "new IDE session": self._opening(),
        }
        got = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        return {**got, **await self._streams()}

    async def _call_without_session(self, tool: str, **arguments: str) -> dict[str, Any]:
        """As a client of 2026-07-28 does it."""
        message, headers = _stateless("tools/call", {"name": tool, "arguments": arguments})
        client = Ide(self.ide.url, self.person.key())
        try:
            response = await client.post(message, **headers)
        finally:
            await client.close()
        if response.status_code not in {200, 400}:
            raise HttpError(response.status_code, response.text)
        (answer,) = frames_of(response)
        if "error" in answer:
            raise RpcError(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    async def _opening(self) -> str:
        another = Ide(self.ide.url, self.person.key())
        try:
            await another.open()
            return "opened"
        except HttpError as error:
            return str(error.status)
        finally:
            await another.close()

    async def _streams(self) -> dict[str, str]:
        """Something happens that each stream tells of, if it still tells anything; nothing is told once it ended."""
        told, logged, listened = len(self.ide.messages), len(self.records), len(self.listened)
        toggle = {"json": {"enabled": False}}
        done = await asyncio.to_thread(self.admin.rest.send, "POST", f"/api/servers/{self.other}/toggle", **toggle)
        position = int(done.headers["x-mcphub-position"])

        def ide() -> str:
            heard = any(frame.get("method") == LIST_CHANGED for _, frame in self.ide.messages[told:])
            return "open" if heard else "ended" if self.ide.stream_ended else ""

        def log() -> str:
            heard = any(record.get("position") == position for record in self.records[logged:])
            return "open" if heard else "ended" if self.log_ended else ""

        def listening() -> str:
            heard = any(frame.get("method") == LIST_CHANGED for frame in self.listened[listened:])
            return "open" if heard else "ended" if self.listening_ended else ""

        await until(lambda: ide() and log() and listening(), within=WITHIN, what="each stream tells of it, or ends")
        return {"IDE stream": ide(), "IDE stream without a session": listening(), "log stream": log()}


def _stateless(method: str, params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """A request of 2026-07-28 and the headers that repeat what it says."""
    meta = {"protocolVersion": STATELESS, "clientCapabilities": {}, "clientInfo": {"name": "ide", "version": "1"}}
    params = {**params, "_meta": {f"{RESERVED}{name}": meta[name] for name in meta}}
    headers = {"MCP-Protocol-Version": STATELESS, "MCP-Method": method, "MCP-Name": str(params.get("name", ""))}
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers


async def outcome(call: Awaitable[dict[str, Any]]) -> str:
    try:
        result = await call
    except HttpError as error:
        return str(error.status)
    except RpcError as error:
        return "unknown tool" if error.message.startswith("Unknown tool") else error.message
    return "answered" if result["content"][0].get("text") == "here" else str(result)


async def asking(client: httpx.AsyncClient, path: str) -> str:
    answer = await client.get(path)
    return str(answer.status_code) if answer.status_code < 400 else f"{answer.status_code} {answer.json()['code']}"


@pytest.fixture(scope="module")
def upstream(upstreams: Upstreams) -> HttpServer:
    return upstreams.http("behind-everything")


@pytest.fixture
def everywhere(
    admin: Admin, fresh_name: Callable[[str], str], serve: Callable[..., None], upstream: HttpServer
) -> Everywhere:
    person = admin.user(fresh_name("everywhere"), admin=True)
    far, other = fresh_name("far"), fresh_name("other")
    config = upstream.config()
    serve({far: {**config, "mcphub": {"audience": {"users": [person.username]}}}, other: config})
    return Everywhere(admin, person, far, other, config)


async def change(who: Everywhere, what: str) -> None:
    """Returns with the answer of the command."""
    admin, person = who.admin, who.person
    for_others = {**who.config, "mcphub": {"audience": {"users": ["admin"]}}}
    user, key = f"/api/admin/users/{person.id}", f"/api/oauth/keys/{person.keys['ide']['id']}"
    by: Callable[..., Awaitable[Any]] = asyncio.to_thread
    match what:
        case "demoted":
            await by(admin.set_admin, person.id, False)
        case "demoted and deactivated":
            await by(admin.set_admin, person.id, False)
            await by(admin.set_active, person, False)
        case "demoted and deleted":
            await by(admin.set_admin, person.id, False)
            await by(admin.rest.delete, user)
        case "demoted and erased":
            await by(admin.set_admin, person.id, False)
            await by(admin.rest.delete, user, params={"hard": "true"}, json={"confirm": person.username})
        case "taken from the audience by the server's own settings":
            await by(admin.rest.put, f"/api/servers/{who.far}", {"config": for_others})
        case "taken from the audience by a request of its own":
            await by(admin.rest.put, f"/api/servers/{who.far}/audience", {"audience": {"users": ["admin"]}})
        case "the server is switched off":
            await by(admin.rest.post, f"/api/servers/{who.far}/toggle", {"enabled": False})
        case "a group without the server becomes their only one":
            await by(person.group, "others", who.other)
        case "taken from the audience by the settings file":
            await by(admin.add_servers, {who.far: for_others})
        case "the key is revoked by its user":
            await by(person.rest.delete, key)
        case "the key is revoked by an administrator":
            await by(admin.rest.delete, key)
        case "the key is narrowed to another server":
            await by(person.rest.patch, key, {"scope": {"servers": [who.other]}})
        case "signs out everywhere":
            await by(person.rest.delete, "/api/user/sessions")
        case "signed out by an administrator":
            await by(admin.rest.post, f"{user}/sign-out")
        case "signs out in the browser":
            copied = dict(who.browser.cookies)
            done = await who.browser.post("/api/auth/logout")
            assert done.status_code == 204
            who.browser.cookies.update(copied)  # the answer takes them from the browser; somebody may have copied them
        case "the browser's session is ended from the script":
            await by(person.rest.delete, f"/api/user/sessions/{await who.session(who.browser)}")
        case "the script's session is ended from the browser":
            done = await who.browser.delete(f"/api/user/sessions/{await who.session(who.script)}")
            assert done.status_code == 204
        case "the IDE's session is ended by an administrator":
            live = await by(admin.rest.get, "/api/admin/session-stats")
            (session,) = [
                one["id"] for one in live if one["userId"] == person.id and one["protocolVersion"] != STATELESS
            ]
            await by(admin.rest.delete, f"/api/admin/sessions/{session}")
        case "a new password, by the script":
            passwords = {"currentPassword": person.password, "newPassword": "another Pass-word 2"}
            await by(person.rest.post, "/api/auth/change-password", passwords)
        case _:
            raise AssertionError(what)


@pytest.mark.parametrize("what", in_short_form(TABLE, 8))
async def test_a_change_is_felt_by_the_very_next_request_of_every_kind(everywhere: Everywhere, what: str) -> None:
    async with everywhere as who:
        await change(who, what)

        assert await who.gets() == NOTHING_CHANGES | TABLE[what]


async def test_without_a_change_everything_goes_on(everywhere: Everywhere) -> None:
    async with everywhere as who:
        assert await who.gets() == NOTHING_CHANGES
