"""Every kind of caller at a hub that was started by itself, and what they ask for: to try `tests/golden/routes.txt`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast
from urllib.parse import quote

import httpx

from mcphub.api.auth.accounts import NewAccount
from mcphub.api.auth.links import RECOVER, OneTimeLinks
from mcphub.api.auth.passwords import HASHER
from mcphub.api.auth.sessions import session_cookie
from mcphub.api.auth.tokens import TokenSigner
from mcphub.domain.actor import acting, system
from mcphub.domain.ids import new_id
from mcphub.domain.tool_book import definition_of
from mcphub.domain.tools import Listed, ObserveTools
from mcphub.domain.users import RegisterUser
from mcphub.foundation import Foundation
from mcphub.settings import read
from tests.support.api import PASSWORD, Browser
from tests.support.ide import Ide
from tests.support.routes import OBJECT, Row
from tests.support.running import RunningHub

STREAM = "text/event-stream"
TOOL = "echo"


class Visits:
    """Sends the table's requests. Whoever was signed out by one of them is signed in again before the next.

    What no request can make is made at the hub's home, as its operator could.

    Args:
        server: the entry of a test server with a variable TOKEN, that has the tool `echo`.
    """

    def __init__(self, hub: RunningHub, server: dict[str, Any]) -> None:
        self.callers: dict[str, Browser] = {}
        self.owner = "user"
        self._hub = hub
        self._server = server
        self._home = Foundation(read({}, home=hub.home), attach=True)
        self._numbers = count(1)
        self._last_key: dict[str, str] = {}
        self._requests: dict[str, str] = {}
        self._ides: list[Ide] = []
        self._untouched: tuple[tuple[str, str], dict[str, str]] = (("", ""), {})  # row and owner it was made for; words

    async def __aenter__(self) -> "Visits":
        await self._home.__aenter__()
        self.callers["admin"] = await self.log_in("admin")
        return self

    async def __aexit__(self, *_: object) -> None:
        for ide in self._ides:
            await ide.http.aclose()
        for caller in self.callers.values():
            await caller.client.aclose()
        await self._home.close()

    def password(self, name: str) -> str:
        return self._hub.password if name == "admin" else PASSWORD

    def browser(self) -> Browser:
        return Browser(httpx.AsyncClient(base_url=self._hub.url, timeout=30, trust_env=False))

    async def log_in(self, name: str) -> Browser:
        browser = self.browser()
        data = await browser.data("POST", "/api/auth/login", {"username": name, "password": self.password(name)})
        browser.user_id, browser.csrf = data["user"]["id"], data["csrfToken"]
        return browser

    async def arrive(self, *names: str) -> None:
        """Makes users of these names, signed in."""
        for name in names:
            await self.admin.data("POST", "/api/admin/users", {"username": name, "password": PASSWORD})
            self.callers[name] = await self.log_in(name)

    async def everybody(self) -> None:
        """A caller for each column of the table."""
        await self.arrive("user", "other", "auditor", "deactivated")
        self.callers |= {"anonymous": self.browser(), "key": self.browser()}
        self.callers["pending"] = await asyncio.to_thread(self._never_let_in)
        issued = await self.admin.data("POST", "/api/oauth/keys", {"name": "ide"})
        self.callers["key"].token = issued["keyValue"]
        auditor, gone = self.callers["auditor"], self.callers["deactivated"]
        await self.admin.data("PUT", f"/api/admin/users/{auditor.user_id}/auditor", {"isAuditor": True})
        await self.admin.data("PUT", f"/api/admin/users/{gone.user_id}/active", {"isActive": False})

    async def send(self, row: Row, caller: str) -> httpx.Response:
        words = await self._words(row, caller)
        path = OBJECT.sub(lambda found: quote(words[found[1]]), row.path)
        body = OBJECT.sub(lambda found: words[found[1]], row.body)
        browser = self.callers[caller]
        options: dict[str, Any] = {"headers": dict(row.headers)}
        if body:
            options["content"] = body
            options["headers"]["Content-Type"] = "application/json"
        if row.headers.get("Accept") == STREAM:
            return await self._opened(row, browser)
        before = list(browser.client.cookies.jar)
        response = await browser.send(row.method, path, **options)
        if session_cookie(False) in response.headers.get("set-cookie", ""):
            if caller in {"user", "other", "auditor", "admin"}:
                self.callers[caller] = await self.log_in(caller)
                await browser.client.aclose()
            else:  # as they came: nobody they are has a way to sign in
                browser.client.cookies.clear()
                for cookie in before:
                    browser.client.cookies.jar.set_cookie(cookie)
        if row.method != "GET" and response.status_code < 400:
            self._untouched = (("", ""), {})
        return response

    async def _words(self, row: Row, caller: str) -> dict[str, str]:
        """What stands in <>: made for this caller, or what the one before asked for in vain."""
        made_for, words = self._untouched
        if made_for != (row.name, self.owner) or "filled" in words:
            words = {}
        words |= {"me": caller, "password": self.password(caller)}
        for wanted in row.objects:
            if wanted not in words:
                words |= await self.made(wanted, caller)
        self._untouched = ((row.name, self.owner), words)
        return words

    async def _opened(self, row: Row, browser: Browser) -> httpx.Response:
        """Of a stream, which is left as soon as it is there; it would never end."""
        headers = {"Authorization": f"Bearer {browser.token}"} if browser.token else {}
        async with browser.client.stream(row.method, row.path, headers=headers) as response:
            body = b"" if response.status_code == 200 else await response.aread()
            seen = httpx.Response(
                response.status_code, headers=response.headers, request=response.request, content=body
            )
        seen.elapsed = response.elapsed
        return seen

    def _never_let_in(self) -> Browser:
        """Somebody who waits. Nobody gives them a token, so theirs is forged with the hub's own key."""
        vault = self._home.vault
        account = NewAccount(vault, "pending", HASHER.hash(PASSWORD))
        with acting(system("test")):
            self._home.hub.execute(
                lambda: RegisterUser(
                    account.user_id, account.digest, account.username, password=account.password, active=False
                )
            )
        browser = self.browser()
        browser.token, _ = TokenSigner(vault.secret("session")).sign(account.user_id, new_id(), 0, 900)
        return browser

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

    async def _a_change(self) -> dict[str, str]:
        await self._a_server()
        (added,) = await self.admin.data("GET", "/api/audit?type=ServerAdded&limit=1")
        return {"change": str(added["position"])}

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
        await self.admin.data("POST", "/api/servers", {"name": name, "config": self._server})
        return {"server": name, "tool": TOOL}

    async def _a_told(self) -> dict[str, str]:
        """A server whose first list is on the record."""
        made = await self._a_server()
        (added,) = await self.admin.data("GET", "/api/audit?type=ServerAdded&limit=1")
        said = definition_of(json.dumps({"name": TOOL}).encode())
        await asyncio.to_thread(self._told, added["data"]["server_id"], Listed(TOOL, said))
        return {"told": made["server"], "tool": TOOL, "definition": said.hash}

    def _told(self, server_id: str, listed: Listed) -> None:
        with acting(system("test")):
            self._home.hub.execute(lambda: ObserveTools(server_id, [listed], (), datetime.now(UTC)))

    async def _a_filled(self, caller: str) -> dict[str, str]:
        made, browser = await self._a_server(), self.callers[caller]
        typed = {"envVars": {made["server"]: {"USER_TOKEN": "typed"}}, "only": True}
        if (await browser.post("/api/user-env-vars", typed)).status_code == 200:  # not everybody gets that far
            for group in await browser.data("GET", "/api/user/groups"):  # none of them shows the server
                await browser.delete(f"/api/user/groups/{group['id']}")
        return {"filled": made["server"], "tool": TOOL}

    async def _a_request(self) -> dict[str, str]:
        """A call of theirs; one is enough, nothing ends it."""
        if self.owner not in self._requests:
            made = await self._a_filled(self.owner)
            await self.user.post(f"/api/servers/{made['filled']}/tools/{TOOL}/try", {"arguments": {}})
            async with asyncio.timeout(10):
                while not (rows := await self.user.data("GET", "/api/requests?status=Completed")):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            self._requests[self.owner] = rows[0]["id"]
        return {"request": self._requests[self.owner]}

    async def _a_setup(self) -> dict[str, str]:
        return {"setup": await asyncio.to_thread(OneTimeLinks(self._home.pool).make, "setup")}

    async def _a_recovery(self) -> dict[str, str]:
        return {"recovery": await asyncio.to_thread(OneTimeLinks(self._home.pool).make, "setup", RECOVER)}

    async def _a_runtime(self) -> dict[str, str]:
        made = await self._a_filled("admin")
        await self.admin.post(f"/api/servers/{made['filled']}/tools/{TOOL}/try", {"arguments": {}})
        open_ = await self.admin.data("GET", "/api/admin/upstream-sessions")
        (runtime,) = [runtime["id"] for runtime in open_ if runtime["server"] == made["filled"]]
        return {"opened": made["filled"], "runtime": runtime}

    async def _a_opened(self) -> dict[str, str]:
        return await self._a_runtime()

    async def _a_connection(self) -> dict[str, str]:
        there = {session["id"] for session in await self.admin.data("GET", "/api/admin/session-stats")}
        self._ides.append(Ide(self._hub.mcp, (await self._issued())["keyValue"]))
        await self._ides[-1].open()
        now = {session["id"] for session in await self.admin.data("GET", "/api/admin/session-stats")}
        (made,) = now - there
        return {"connection": made}


def said(response: httpx.Response) -> str:
    """`403 admin_required` of a problem, the bare status of anything else."""
    if response.headers.get("content-type", "") != "application/problem+json":
        return str(response.status_code)
    return f"{response.status_code} {json.loads(response.text)['code']}"
