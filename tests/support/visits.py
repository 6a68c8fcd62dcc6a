"""Every kind of caller at a running API, and the objects they ask for: to try `tests/golden/routes.txt`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from mcphub.api.auth.accounts import NewAccount
from mcphub.api.auth.passwords import HASHER
from mcphub.api.auth.sessions import session_cookie
from mcphub.api.auth.tokens import TokenSigner
from mcphub.domain.actor import acting, system
from mcphub.domain.ids import new_id
from mcphub.domain.users import RegisterUser
from mcphub.gateway.facade import LiveSession
from tests.support.api import PASSWORD, Api, Browser
from tests.support.command import mcphub
from tests.support.ide import Ide
from tests.support.routes import OBJECT, Row
from tests.support.running import RunningHub

STREAM = "text/event-stream"
STARTED = """
    insert into public.traffic (at, kind, boot, request_id, user_id, server, tool, method, node)
    values (%(at)s, 3, 1, %(id)s, %(user)s, 'desk', 'search', 'tools/call', 'n1')
"""


class Visits:
    """Sends the table's requests. Whoever was signed out by one of them is signed in again before the next.

    Where the hub runs is said by the two classes below.
    """

    server: dict[str, Any]  # the entry of a <server>, with a variable TOKEN
    tool = "search"  # one that it has

    def __init__(self) -> None:
        self.callers: dict[str, Browser] = {}
        self.owner = "user"
        self.passwords: dict[str, str] = {}  # those that are not PASSWORD
        self._numbers = count(1)
        self._last_key: dict[str, str] = {}

    def browser(self) -> Browser:
        raise NotImplementedError

    async def log_in(self, name: str) -> Browser:
        raise NotImplementedError

    async def opened(self, row: Row, browser: Browser) -> httpx.Response:
        """Of a stream, which is left as soon as it is there; it would never end."""
        raise NotImplementedError

    async def begin(self, *names: str) -> None:
        """Makes users of these names, once there is an administrator."""
        for name in names:
            await self.admin.data("POST", "/api/admin/users", {"username": name, "password": PASSWORD})
            self.callers[name] = await self.log_in(name)

    async def send(self, row: Row, caller: str) -> httpx.Response:
        words = {"me": caller, "password": self.passwords.get(caller, PASSWORD)}
        for name in row.objects:
            if name not in words:
                words |= await self.made(name, caller)
        path = OBJECT.sub(lambda found: quote(words[found[1]]), row.path)
        body = OBJECT.sub(lambda found: words[found[1]], row.body)
        browser = self.callers[caller]
        options: dict[str, Any] = {"headers": dict(row.headers)}
        if body:
            options["content"] = body
            options["headers"]["Content-Type"] = "application/json"
        if row.headers.get("Accept") == STREAM and row.answers[caller].startswith("2"):
            return await self.opened(row, browser)
        before = list(browser.client.cookies.jar)
        response = await browser.send(row.method, path, **options)
        if session_cookie(False) in response.headers.get("set-cookie", ""):
            if caller in {"user", "other", "auditor", "admin"}:
                self.callers[caller] = await self.log_in(caller)
            else:  # as they came: nobody they are has a way to sign in
                browser.client.cookies.clear()
                for cookie in before:
                    browser.client.cookies.jar.set_cookie(cookie)
        return response

    # what stands in <>

    async def made(self, name: str, caller: str) -> dict[str, str]:
        """The word for a new object of that name, and words that come with it."""
        if name == "filled":
            return await self._a_filled(caller)
        make = cast(Callable[[], Awaitable[dict[str, str]]], getattr(self, f"_a_{name}"))
        return await make()

    def _fresh(self) -> str:
        return f"fresh-{next(self._numbers)}"

    @property
    def user(self) -> Browser:
        """Whose the things are that belong to somebody."""
        return self.callers[self.owner]

    @property
    def admin(self) -> Browser:
        return self.callers["admin"]

    async def _a_new(self) -> dict[str, str]:
        return {"new": self._fresh()}

    async def _a_version(self) -> dict[str, str]:
        return {"version": str((await self.admin.data("GET", "/api/admin/settings-file"))["version"])}

    async def _a_key(self) -> dict[str, str]:
        return {"key": (await self._issued())["id"]}

    async def _issued(self) -> dict[str, Any]:
        """A key; the one before is revoked, for a user has ten at most."""
        if self.owner in self._last_key:
            await self.user.delete(f"/api/oauth/keys/{self._last_key[self.owner]}")
        made: dict[str, Any] = await self.user.data("POST", "/api/oauth/keys", {"name": self._fresh()})
        self._last_key[self.owner] = made["id"]
        return made

    async def _a_group(self) -> dict[str, str]:
        made = await self.user.data("POST", "/api/user/groups", {"name": self._fresh(), "servers": []})
        return {"group": made["id"]}

    async def _a_session(self) -> dict[str, str]:
        there = {session["id"] for session in await self.user.data("GET", "/api/user/sessions")}
        await self.log_in(self.owner)
        now = {session["id"] for session in await self.user.data("GET", "/api/user/sessions")}
        (made,) = now - there
        return {"session": made}

    async def _a_fact(self) -> dict[str, str]:
        return {"fact": str((await self.user.data("GET", "/api/audit?kind=fact&limit=1"))[0]["position"])}

    async def _a_user(self) -> dict[str, str]:
        name = self._fresh()
        made = await self.admin.data("POST", "/api/admin/users", {"username": name})
        return {"user": made["user"]["id"], "username": name, "invitation": made["invitationLink"].partition("#")[2]}

    async def _a_deleted(self) -> dict[str, str]:
        made = await self._a_user()
        await self.admin.delete(f"/api/admin/users/{made['user']}")
        return {"deleted": made["user"]}

    async def _a_somebody(self) -> dict[str, str]:
        name = self._fresh()
        made = await self.admin.data("POST", "/api/admin/users", {"username": name, "password": PASSWORD})
        user_id = made["user"]["id"]
        await self.log_in(name)
        (session,) = await self.admin.data("GET", f"/api/admin/users/{user_id}/sessions")
        return {"somebody": user_id, "theirs": session["id"]}

    async def _a_invitation(self) -> dict[str, str]:
        return await self._a_user()

    async def _a_server(self) -> dict[str, str]:
        name = self._fresh()
        await self.admin.data("POST", "/api/servers", {"name": name, "config": self.server})
        return {"server": name, "tool": self.tool}

    async def _a_filled(self, caller: str) -> dict[str, str]:
        made, browser = await self._a_server(), self.callers[caller]
        typed = {"envVars": {made["server"]: {"USER_TOKEN": "typed"}}, "only": True}
        if (await browser.post("/api/user-env-vars", typed)).status_code == 200:  # not everybody gets that far
            for group in await browser.data("GET", "/api/user/groups"):  # none of them shows the server
                await browser.delete(f"/api/user/groups/{group['id']}")
        return {"filled": made["server"], "tool": self.tool}


class VisitsInProcess(Visits):
    """The API alone, with a stand-in for the gateway."""

    server = {"command": "npx", "args": ["-y", "x@1.0.0"], "env": {"TOKEN": "${USER_TOKEN}"}}

    def __init__(self, api: Api) -> None:
        super().__init__()
        self._api = api

    def browser(self) -> Browser:
        return self._api.browser()

    async def log_in(self, name: str) -> Browser:
        return await self._api.log_in(name)

    async def everybody(self) -> None:
        """A caller for each column of the table."""
        self.callers["admin"] = await self._api.user("admin", admin=True)
        await self.begin("user", "other", "auditor", "deactivated")
        self.callers |= {"anonymous": self.browser(), "pending": await self._never_let_in(), "key": self.browser()}
        issued = await self.admin.data("POST", "/api/oauth/keys", {"name": "ide"})
        self.callers["key"].token = issued["keyValue"]
        auditor, gone = self.callers["auditor"], self.callers["deactivated"]
        await self.admin.data("PUT", f"/api/admin/users/{auditor.user_id}/auditor", {"isAuditor": True})
        await self.admin.data("PUT", f"/api/admin/users/{gone.user_id}/active", {"isActive": False})

    async def _never_let_in(self) -> Browser:
        """Nobody gives a pending user a token, so this one is forged."""
        vault = self._api.services.vault
        hashed = await asyncio.to_thread(HASHER.hash, PASSWORD)

        def make() -> tuple[str, int]:
            account = NewAccount(vault, "pending", hashed)
            with acting(system("test")):
                done = self._api.services.hub.execute(
                    lambda: RegisterUser(
                        account.user_id, account.digest, account.username, password=account.password, active=False
                    )
                )
            return account.user_id, done.position

        user_id, position = await asyncio.to_thread(make)
        assert await self._api.services.commands.shown(position)
        browser = self.browser()
        browser.token, _ = TokenSigner(vault.secret("session")).sign(user_id, new_id(), 0, 900)
        return browser

    async def opened(self, row: Row, browser: Browser) -> httpx.Response:
        begun: asyncio.Future[httpx.Response] = asyncio.get_running_loop().create_future()
        cookies = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": row.method,
            "scheme": "http",
            "path": row.path,
            "raw_path": row.path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1:3000"), (b"cookie", cookies.encode())],
            "client": ("127.0.0.1", 40000),
            "server": ("127.0.0.1", 3000),
        }

        async def receive() -> dict[str, Any]:
            await begun
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                begun.set_result(httpx.Response(message["status"], headers=message["headers"]))

        reading = asyncio.create_task(self._api.app(scope, receive, send))
        try:
            return await asyncio.wait_for(asyncio.shield(begun), 5)
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _a_request(self) -> dict[str, str]:
        at = datetime.now(UTC) - timedelta(seconds=30)
        number = next(self._numbers)
        request_id = UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | number)
        async with self._api.services.read.connection() as db:
            await db.execute("select public.traffic_partition(%s::date)", (at,))
            await db.execute(STARTED, {"at": at, "id": request_id, "user": self.user.user_id})
        return {"request": str(request_id)}

    async def _a_setup(self) -> dict[str, str]:
        return {"setup": await asyncio.to_thread(self._api.link, "setup")}

    async def _a_connection(self) -> dict[str, str]:
        session = LiveSession(
            session_id=self._fresh(),
            user_id=self.user.user_id,
            key_id="",
            client_name="cursor-vscode",
            client_version="1.0",
            protocol_version="2025-06-18",
            view="/mcp",
            created_at=datetime.now(UTC),
            idle_seconds=1.5,
            in_flight=0,
            stream_open=False,
        )
        self._api.gateway.live.append(session)
        return {"connection": session.session_id}


class VisitsOverLoopback(Visits):
    """A hub that was started by itself.

    Args:
        server: the entry of a test server that has the tool `echo`.
    """

    tool = "echo"

    def __init__(self, hub: RunningHub, server: dict[str, Any]) -> None:
        super().__init__()
        self._hub = hub
        self.server = server
        self.passwords["admin"] = hub.password
        self._request: dict[str, str] = {}

    def browser(self) -> Browser:
        return Browser(httpx.AsyncClient(base_url=self._hub.url, timeout=30, trust_env=False))

    async def log_in(self, name: str) -> Browser:
        browser = self.browser()
        body = {"username": name, "password": self.passwords.get(name, PASSWORD)}
        data = await browser.data("POST", "/api/auth/login", body)
        browser.user_id, browser.csrf = data["user"]["id"], data["csrfToken"]
        return browser

    async def opened(self, row: Row, browser: Browser) -> httpx.Response:
        async with browser.client.stream(row.method, row.path) as response:
            seen = httpx.Response(response.status_code, headers=response.headers, request=response.request)
        seen.elapsed = response.elapsed
        return seen

    async def _a_request(self) -> dict[str, str]:
        """A call of theirs; one is enough, nothing ends it."""
        if self.owner not in self._request:
            made = await self._a_filled(self.owner)
            await self.user.post(f"/api/servers/{made['filled']}/tools/{self.tool}/try", {"arguments": {}})
            async with asyncio.timeout(10):
                while not (rows := await self.user.data("GET", "/api/requests?status=Completed")):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            self._request[self.owner] = rows[0]["id"]
        return {"request": self._request[self.owner]}

    async def _a_setup(self) -> dict[str, str]:
        said = await asyncio.to_thread(mcphub, "setup-link", "--json", home=self._hub.home, env=self._hub.env)
        return {"setup": json.loads(said)["setupLink"].partition("#")[2]}

    async def _a_connection(self) -> dict[str, str]:
        ide = Ide(self._hub.mcp, (await self._issued())["keyValue"])
        await ide.open()
        live = await self.admin.data("GET", "/api/admin/session-stats")
        return {"connection": live[-1]["id"]}


def said(response: httpx.Response) -> str:
    """`403 admin_required` of a problem, the bare status of anything else."""
    if response.headers.get("content-type", "") != "application/problem+json":
        return str(response.status_code)
    return f"{response.status_code} {json.loads(response.text)['code']}"
