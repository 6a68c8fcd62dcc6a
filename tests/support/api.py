"""The management API in this process: the real application on a real database, called as an ASGI server would.

Only the gateway is a stand-in, in memory: it remembers what it was asked to do and knows the tools it was told.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from argon2 import PasswordHasher
from litestar import Litestar

from mcphub.api import app
from mcphub.api.access_log import AccessLog
from mcphub.api.auth.accounts import NewAccount, name_digest
from mcphub.api.auth.links import OneTimeLinks
from mcphub.api.door import Door
from mcphub.api.services import Commands, Services
from mcphub.domain.access import ALL, AccessModel, View
from mcphub.domain.actor import acting, system
from mcphub.domain.checkpoint import SIGNING
from mcphub.domain.hub import plugged
from mcphub.domain.substitution import MissingVariables
from mcphub.domain.vault import Ring, Vault, WrappedKey
from mcphub.gateway.facade import AtNode, Figures, FoundTool, LiveRuntime, LiveSession, LiveStatus, Tool, TriedTool
from mcphub.gateway.glossaries import Glossaries
from mcphub.gateway.rejections import Rejections
from mcphub.gateway.spool import Spool
from mcphub.gateway.tool_search import SearchParts
from mcphub.gateway.trial import Trial
from mcphub.gateway.upstream.contained import Contained
from mcphub.gateway.upstream.runtime import RuntimeInfo, ServerStatus
from mcphub.logging import LogRing
from mcphub.operations.checkpoints import Checkpoints
from mcphub.postgres.data_key import DataKeys
from mcphub.postgres.ledger import Factory
from mcphub.postgres.pool import command_pool, read_pool
from mcphub.projections.directory import Directory
from mcphub.projections.projector import Projector, all_projections
from mcphub.projections.tail import Tail
from mcphub.search.misses import Misses
from mcphub.search.vectors import Vectors
from mcphub.settings import read

PASSWORD = "correct horse battery staple"
# Verified as quickly as it was made: the work is written in the hash. The hub's own takes 90 ms each way.
HASHED = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
ORIGIN = "http://127.0.0.1:3000"


@dataclass
class StandInGateway:
    """What `gateway.facade.Gateway` promises, without upstreams."""

    who = "key"
    statuses: dict[str, ServerStatus] = field(default_factory=dict)
    tools: dict[tuple[str, str], list[Tool]] = field(default_factory=dict)
    live: list[LiveSession] = field(default_factory=list)
    elsewhere: list[AtNode[LiveSession]] = field(default_factory=list)
    open: list[RuntimeInfo] = field(default_factory=list)
    written: dict[str, list[str]] = field(default_factory=dict)
    sandboxes: dict[str, Contained] = field(default_factory=dict)
    asked: list[tuple[str, ...]] = field(default_factory=list)
    scopes: list[dict[str, Any]] = field(default_factory=list)
    tried: TriedTool = field(default_factory=lambda: TriedTool(request_id="r1", duration_ms=2.0, result=b"{}"))
    missing: list[str] = field(default_factory=list)
    found: list[FoundTool] = field(default_factory=list)
    trial: Trial = field(default_factory=lambda: Trial(ok=True, step="list", tool_count=2, duration_ms=1.0))
    views: dict[str, View] = field(default_factory=lambda: {"/mcp": ALL})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(dict(scope))
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    def view_of(self, path: str, principal: Any) -> View | None:
        return self.views.get(path)

    def sessions(self) -> list[LiveSession]:
        return self.live

    async def sessions_everywhere(self) -> list[AtNode[LiveSession]]:
        return [AtNode(id="n1", name="here", at=time.time(), found=self.live), *self.elsewhere]

    def figures(self) -> Figures:
        return Figures(
            sessions=Counter(session.protocol_version for session in self.live),
            streams=sum(session.stream_open for session in self.live),
            in_flight=sum(session.in_flight for session in self.live),
            queued=0,
            parked=0,
            rows_waiting=7,
            spooled=0,
            rows_overflowed=0,
            rows_lost=0,
        )

    async def end_session(self, session_id: str, reason: str) -> bool:
        self.asked.append(("end_session", session_id, reason))
        return any(session.session_id == session_id for session in self.live)

    async def end_user(self, user_id: str, reason: str) -> None:
        self.asked.append(("end_user", user_id, reason))

    def status(self, server_id: str) -> ServerStatus:
        return self.statuses.get(server_id, ServerStatus(state="idle", since=0.0))

    async def statuses_everywhere(self) -> list[AtNode[LiveStatus]]:
        found = [LiveStatus(server_id, status) for server_id, status in self.statuses.items()]
        return [AtNode(id="n1", name="here", at=time.time(), found=found)]

    def runtimes(self) -> list[RuntimeInfo]:
        return self.open

    async def runtimes_everywhere(self) -> list[AtNode[LiveRuntime]]:
        found = [LiveRuntime(info, tuple(self.written.get(info.id, ()))) for info in self.open]
        return [AtNode(id="n1", name="here", at=time.time(), found=found)]

    async def end_runtime(self, runtime_id: str, reason: str) -> bool:
        self.asked.append(("end_runtime", runtime_id, reason))
        return any(runtime.id == runtime_id for runtime in self.open)

    def sandbox(self, server_id: str) -> Contained | None:
        return self.sandboxes.get(server_id)

    async def reload(self, server_id: str) -> None:
        self.asked.append(("reload", server_id))

    def known_tools(self, user_id: str, server_id: str) -> list[Tool] | None:
        return self.tools.get((user_id, server_id))

    async def find_tools(self, principal: Any, query: str, server_id: str) -> list[FoundTool]:
        self.asked.append(("find_tools", principal.user_id, query, server_id))
        return self.found

    async def try_tool(
        self, principal: Any, server_id: str, tool: str, arguments: bytes, gone: Any = None
    ) -> TriedTool:
        self.asked.append(("try_tool", principal.user_id, server_id, tool, arguments.decode()))
        return self.tried

    async def test_connection(self, principal: Any, server_id: str, typed: Mapping[str, str]) -> Trial:
        self.asked.append(("test_connection", principal.user_id, server_id, json.dumps(dict(typed))))
        if self.missing:
            raise MissingVariables("s", "s", self.missing)
        return self.trial

    async def list_tools(self, principal: Any, server_id: str) -> list[Tool]:
        return self.tools.get((principal.user_id, server_id), [])


@dataclass
class Browser:
    """One caller. With `csrf` it is a browser with a cookie, with `token` a script."""

    client: httpx.AsyncClient
    user_id: str = ""
    csrf: str = ""
    token: str = ""

    async def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = dict(options.pop("headers", {}))
        if self.csrf:
            headers.setdefault("X-CSRF-Token", self.csrf)
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        return await self.client.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.send("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return await self.send("POST", path, json=body if body is not None else {}, **options)

    async def put(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return await self.send("PUT", path, json=body, **options)

    async def patch(self, path: str, body: Any, **options: Any) -> httpx.Response:
        return await self.send("PATCH", path, json=body, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.send("DELETE", path, **options)

    async def data(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """`data` of an answer that must be a success."""
        if body is not None:
            options["json"] = body
        response = await self.send(method, path, **options)
        assert response.status_code in {200, 201}, response.text
        return response.json()["data"]


class Api:
    """A hub's management API, and its parts for a look inside."""

    def __init__(self, services: Services, gateway: StandInGateway, dsn: str, app: Any) -> None:
        self.services = services
        self.gateway = gateway
        self.dsn = dsn
        self.app = app
        self._clients: list[httpx.AsyncClient] = []

    def browser(self, *, ip: str = "127.0.0.1", base_url: str = ORIGIN) -> Browser:
        """Somebody nobody knows yet."""
        transport = httpx.ASGITransport(app=self.app, client=(ip, 40000))
        client = httpx.AsyncClient(transport=transport, base_url=base_url, timeout=30)
        self._clients.append(client)
        return Browser(client)

    async def log_in(self, username: str, password: str = PASSWORD, *, script: bool = False) -> Browser:
        browser = self.browser()
        body = {"username": username, "password": password, "issueToken": script}
        response = await browser.post("/api/auth/login", body)
        assert response.status_code == 200, response.text
        data = response.json()["data"]
        browser.user_id = data["user"]["id"]
        if script:
            browser.client.cookies.clear()
            browser.token = data["token"]
        else:
            browser.csrf = data["csrfToken"]
        return browser

    async def make_user(self, username: str, *, admin: bool = False, invited: bool = False) -> str:
        """An active local account, made without the API; its id. Who was invited has no password yet."""
        hashed = None if invited else HASHED

        def make() -> tuple[str, int]:
            account = NewAccount(self.services.vault, username, hashed)
            with acting(system("test")):
                done = self.services.hub.execute(lambda: account.register(admin=admin))
            return account.user_id, done.position

        user_id, position = await asyncio.to_thread(make)
        while not await self.services.commands.shown(position):  # a second each time, on a busy machine more than one
            pass
        return user_id

    async def user(self, username: str, *, admin: bool = False) -> Browser:
        """A new user, signed in with a browser."""
        await self.make_user(username, admin=admin)
        return await self.log_in(username)

    def link(self, purpose: Any, subject: str = "") -> str:
        return OneTimeLinks(self.services.write).make(purpose, subject)

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


PARTS: ContextVar[Mapping[str, Any]] = ContextVar("PARTS")  # of the hub whose request is being answered


def app_of(services: Services) -> Door:
    """As `api.app.make_app` puts it together, but the routes are made once for all tests: that is most of its work."""
    parts = app.parts_of(services)
    routes = shared_routes(tuple(app.CONTROLLERS), tuple(parts))

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        PARTS.set(parts)
        await routes(scope, receive, send)

    return Door(services.settings, services.gateway, answer, services.access_log)


@cache
def shared_routes(_: tuple[Any, ...], names: tuple[str, ...]) -> Litestar:
    def giver(name: str) -> Callable[[], Any]:
        return lambda: PARTS.get()[name]

    async def guard(connection: Any, handler: Any) -> None:
        await PARTS.get()["guard"](connection, handler)

    return app.put_together({name: giver(name) for name in names}, guard, "0.0.0")


@asynccontextmanager
async def running_api(dsn: str, home: Path, env: dict[str, str] | None = None) -> Any:
    """The API on this database, started and stopped."""
    async with AsyncExitStack() as stack:
        settings = read({"MCPHUB_NODE": "test", **(env or {})}, home=home)
        pool = command_pool(dsn)
        await asyncio.to_thread(pool.open, True, 10)
        stack.push_async_callback(asyncio.to_thread, pool.close)
        vault = await asyncio.to_thread(Vault, DataKeys(pool, WrappedKey), Ring([("k1", b"\7" * 32)]), time.monotonic)
        Factory.use(pool)
        hub = plugged("mcphub.postgres.ledger:Factory", {})
        model, directory = AccessModel(name_digest(vault), vault.membership), Directory(vault)
        projector = Projector(dsn, all_projections())

        def fold(facts: Any) -> None:
            for recorded in facts:
                model.apply(recorded)

        tail = Tail(dsn, [fold, directory.facts_applied, projector.wake])
        await tail.start()
        stack.push_async_callback(tail.stop)
        projector.start()
        stack.push_async_callback(projector.stop)
        reads = read_pool(dsn, search_path="read, public")
        await reads.open(wait=True, timeout=10)
        stack.push_async_callback(reads.close)
        indexed = read_pool(dsn, search_path="search, public", min_size=0)
        await indexed.open()
        stack.push_async_callback(indexed.close)
        spool = Spool(home / "access")
        access_log = AccessLog(pool, vault, model, spool, "here", lambda: tail.position)
        await access_log.start()
        stack.push_async_callback(access_log.stop)
        gateway, ring = StandInGateway(), LogRing()
        ring.bind(asyncio.get_running_loop())
        services = Services(
            settings=settings,
            version="0.0.0",
            hub=hub,
            vault=vault,
            model=model,
            tail=tail,
            projector=projector,
            directory=directory,
            commands=Commands(hub, vault, tail, projector),
            read=reads,
            history=reads,
            write=pool,
            gateway=gateway,
            log_ring=ring,
            access_log=access_log,
            rejections=Rejections(model, pool, lambda: datetime.now(UTC)),
            checkpoints=Checkpoints(dsn, home, vault.secret(SIGNING)),
            search=SearchParts(indexed, Vectors(indexed, lambda: None), Glossaries(model), Misses(indexed)),
            started_at=datetime.now(UTC).timestamp(),
        )
        api = Api(services, gateway, dsn, app_of(services))
        stack.push_async_callback(api.close)
        yield api


def problem(response: httpx.Response) -> tuple[int, str]:
    """(status, code) of a problem; checks that it has the form every problem has."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    body = json.loads(response.text)
    assert {"type", "title", "status", "detail", "instance", "code", "requestId", "errors", "success"} <= set(body)
    assert body["status"] == response.status_code
    assert body["success"] is False
    assert body["requestId"] == response.headers["x-request-id"]
    return response.status_code, body["code"]
