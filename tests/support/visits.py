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
from tests.support.routes import OBJECT, Row

STDIO = {"command": "npx", "args": ["-y", "x@1.0.0"], "env": {"TOKEN": "${USER_TOKEN}"}}
STREAM = "text/event-stream"
STARTED = """
    insert into public.traffic (at, kind, boot, request_id, user_id, server, tool, method, node)
    values (%(at)s, 3, 1, %(id)s, %(user)s, 'desk', 'search', 'tools/call', 'n1')
"""


class Visits:
    """Sends the table's requests. Whoever was signed out by one of them is signed in again before the next."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._numbers = count(1)
        self._callers: dict[str, Browser] = {}
        self._last_key = ""

    async def begin(self) -> None:
        """Makes the callers."""
        api = self._api
        admin = await api.user("admin", admin=True)
        for name in ("user", "other", "auditor", "deactivated"):
            self._callers[name] = await api.user(name)
        self._callers |= {"admin": admin, "anonymous": api.browser(), "pending": await self._never_let_in()}
        self._callers["key"] = api.browser()
        self._callers["key"].token = (await admin.data("POST", "/api/oauth/keys", {"name": "ide"}))["keyValue"]
        auditor, gone = self._callers["auditor"], self._callers["deactivated"]
        await admin.data("PUT", f"/api/admin/users/{auditor.user_id}/auditor", {"isAuditor": True})
        await admin.data("PUT", f"/api/admin/users/{gone.user_id}/active", {"isActive": False})

    async def answer(self, row: Row, caller: str) -> str:
        """As the table's cells say it."""
        words = {"me": caller, "password": PASSWORD}
        for name in row.objects:
            if name not in words:
                words |= await self._made(name, caller)
        # A word of a body stands inside its quotes, except a number.
        path = OBJECT.sub(lambda found: quote(words[found[1]]), row.path)
        body = OBJECT.sub(lambda found: words[found[1]], row.body)
        browser = self._callers[caller]
        options: dict[str, Any] = {"headers": dict(row.headers)}
        if body:
            options["content"] = body
            options["headers"]["Content-Type"] = "application/json"
        if row.headers.get("Accept") == STREAM and row.answers[caller].startswith("2"):
            return await self._opened(row, browser)
        before = list(browser.client.cookies.jar)
        response = await browser.send(row.method, path, **options)
        if session_cookie(False) in response.headers.get("set-cookie", ""):
            if caller in {"user", "other", "auditor", "admin"}:
                self._callers[caller] = await self._api.log_in(caller)
            else:  # as they came: nobody they are has a way to sign in
                browser.client.cookies.clear()
                for cookie in before:
                    browser.client.cookies.jar.set_cookie(cookie)
        return said(response)

    async def _opened(self, row: Row, browser: Browser) -> str:
        """The status of a stream, which is left as soon as it is there; it would never end."""
        status: asyncio.Future[int] = asyncio.get_running_loop().create_future()
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
            await status
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                status.set_result(message["status"])

        reading = asyncio.create_task(self._api.app(scope, receive, send))
        try:
            return str(await asyncio.wait_for(asyncio.shield(status), 5))
        finally:
            reading.cancel()
            await asyncio.wait([reading])

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
        browser = self._api.browser()
        browser.token, _ = TokenSigner(vault.secret("session")).sign(user_id, new_id(), 0, 900)
        return browser

    # what stands in <>

    async def _made(self, name: str, caller: str) -> dict[str, str]:
        if name == "filled":
            return await self._a_filled(caller)
        make = cast(Callable[[], Awaitable[dict[str, str]]], getattr(self, f"_a_{name}"))
        return await make()

    def _fresh(self) -> str:
        return f"fresh-{next(self._numbers)}"

    @property
    def _user(self) -> Browser:
        return self._callers["user"]

    @property
    def _admin(self) -> Browser:
        return self._callers["admin"]

    async def _a_new(self) -> dict[str, str]:
        return {"new": self._fresh()}

    async def _a_version(self) -> dict[str, str]:
        return {"version": str((await self._admin.data("GET", "/api/admin/settings-file"))["version"])}

    async def _a_key(self) -> dict[str, str]:
        if self._last_key:
            await self._user.delete(f"/api/oauth/keys/{self._last_key}")  # a user has ten at most
        self._last_key = (await self._user.data("POST", "/api/oauth/keys", {"name": self._fresh()}))["id"]
        return {"key": self._last_key}

    async def _a_group(self) -> dict[str, str]:
        made = await self._user.data("POST", "/api/user/groups", {"name": self._fresh(), "servers": []})
        return {"group": made["id"]}

    async def _a_session(self) -> dict[str, str]:
        there = {session["id"] for session in await self._user.data("GET", "/api/user/sessions")}
        await self._api.log_in("user")
        now = {session["id"] for session in await self._user.data("GET", "/api/user/sessions")}
        (made,) = now - there
        return {"session": made}

    async def _a_fact(self) -> dict[str, str]:
        return {"fact": str((await self._user.data("GET", "/api/audit?limit=1"))[0]["position"])}

    async def _a_request(self) -> dict[str, str]:
        at = datetime.now(UTC) - timedelta(seconds=30)
        number = next(self._numbers)
        request_id = UUID(int=(int(at.timestamp() * 1000) << 80) | (7 << 76) | (2 << 62) | number)
        async with self._api.services.read.connection() as db:
            await db.execute("select public.traffic_partition(%s::date)", (at,))
            await db.execute(STARTED, {"at": at, "id": request_id, "user": self._user.user_id})
        return {"request": str(request_id)}

    async def _a_user(self) -> dict[str, str]:
        name = self._fresh()
        made = await self._admin.data("POST", "/api/admin/users", {"username": name})
        return {"user": made["user"]["id"], "username": name, "invitation": made["invitationLink"].partition("#")[2]}

    async def _a_deleted(self) -> dict[str, str]:
        made = await self._a_user()
        await self._admin.delete(f"/api/admin/users/{made['user']}")
        return {"deleted": made["user"]}

    async def _a_invitation(self) -> dict[str, str]:
        return await self._a_user()

    async def _a_setup(self) -> dict[str, str]:
        return {"setup": await asyncio.to_thread(self._api.link, "setup")}

    async def _a_server(self) -> dict[str, str]:
        name = self._fresh()
        await self._admin.data("POST", "/api/servers", {"name": name, "config": STDIO})
        return {"server": name, "tool": "search"}

    async def _a_filled(self, caller: str) -> dict[str, str]:
        made = await self._a_server()
        typed = {"envVars": {made["server"]: {"USER_TOKEN": "typed"}}, "only": True}
        await self._callers[caller].post("/api/user-env-vars", typed)  # not everybody gets that far
        return {"filled": made["server"]}

    async def _a_connection(self) -> dict[str, str]:
        session = LiveSession(
            session_id=self._fresh(),
            user_id=self._user.user_id,
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


def said(response: httpx.Response) -> str:
    """`403 admin_required` of a problem, the bare status of anything else."""
    if response.headers.get("content-type", "") != "application/problem+json":
        return str(response.status_code)
    return f"{response.status_code} {json.loads(response.text)['code']}"
