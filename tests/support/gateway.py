"""The gateway with scripted upstreams and no database: its own code is the real one, down to the bytes of an answer."""

import asyncio
import json
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count

from msgspec import Raw
from msgspec.structs import replace

from mcphub.domain.access import ALL, AccessModel, Principal
from mcphub.domain.actor import Meta
from mcphub.domain.codec import Recorded
from mcphub.domain.events import (
    SERVERS,
    KeyIssued,
    ServerAdded,
    ServerChanged,
    UserActivated,
    UserRegistered,
    server_tag,
    user_tag,
    username_tag,
)
from mcphub.domain.ids import new_id
from mcphub.domain.keys import new_key
from mcphub.domain.vault import MemoryKeyStore, Ring, Vault, new_ring_text
from mcphub.gateway.core import HubGateway
from mcphub.gateway.lifecycle import one_shot
from mcphub.gateway.request_id import readable
from mcphub.gateway.session import Limits
from mcphub.gateway.store import SessionRows
from mcphub.gateway.traffic import Request
from mcphub.gateway.upstream.runtime import Reply, ServerStatus, UpstreamUnavailable
from mcphub.gateway.values import OpenedValues


def tool(name, **more):
    return {"name": name, "description": f"{name} of an upstream", "inputSchema": {"type": "object"}, **more}


class Upstream:
    """What a server answers, and what it was asked: (user, method, params)."""

    def __init__(self, *tools):
        self.tools = list(tools)
        self.lists = {"tools/list": ("tools", self.tools)}
        self.asked = []
        self.down = ""
        self.refuses = False  # the values, when it is down
        self.capabilities = {}  # beside tools and prompts
        self.log_level = ""
        self.behave = None  # async (method, params, caller) → Reply
        self.opened = 0
        self.modern = False  # does it speak 2026-07-28?

    def offers(self, *, prompts=(), resources=(), templates=()):
        """More than tools: prompts by name, resources by address, templates by template."""
        self.lists["prompts/list"] = ("prompts", [{"name": name} for name in prompts])
        self.lists["resources/list"] = ("resources", [{"uri": uri, "name": uri} for uri in resources])
        named = [{"uriTemplate": template, "name": template} for template in templates]
        self.lists["resources/templates/list"] = ("resourceTemplates", named)
        return self

    async def answer(self, user, method, params, caller):
        self.asked.append((user, method, json.loads(params or b"{}")))
        if method in self.lists:
            member, items = self.lists[method]
            return Reply(result=json.dumps({member: items}).encode())
        if method.endswith("/list"):
            return Reply(error=b'{"code":-32601,"message":"no such method"}')
        if self.behave is not None:
            return await self.behave(method, params, caller)
        return Reply(result=json.dumps({"content": [], "by": user}).encode())


class ScriptedRuntime:
    @property
    def log_level(self):
        return self.upstream.log_level

    @log_level.setter
    def log_level(self, level):
        self.upstream.log_level = level

    @property
    def modern(self):
        return self.upstream.modern

    def __init__(self, upstream, spec, identity):
        self.upstream, self.spec, self.identity = upstream, spec, identity
        self.server_id, self.slug, self.user_id = spec.server_id, spec.slug, identity.user_id
        self.session_id = identity.session_id if spec.isolation != "per-user" else ""
        self.initialize_result = json.dumps(
            {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}, "prompts": {}, **upstream.capabilities},
                "serverInfo": {"name": "theirs", "version": "9"},
            }
        ).encode()

    async def call(self, method, params, caller, *, timeout, reset_on_progress, max_total):  # noqa: ASYNC109
        return await self.upstream.answer(self.user_id, method, params, caller)


class ScriptedPool:
    def __init__(self, upstreams):
        self.upstreams = upstreams
        self.ended = []
        self.opened_ahead = []  # (user, server, session)
        self.told = []  # (session, user, server or '', method, parameters) of notifications to upstreams

    @asynccontextmanager
    async def lease(self, spec, identity, inject):
        inject()
        upstream = self.upstreams[spec.name]
        if upstream.down:
            raise UpstreamUnavailable(spec.slug, upstream.down, refused=upstream.refuses)
        upstream.opened += 1
        yield ScriptedRuntime(upstream, spec, identity)

    once = lease

    async def ahead(self, spec, identity, inject):
        inject()
        self.opened_ahead.append((identity.user_id, spec.name, identity.session_id))
        return True

    async def end_session(self, session_id):
        self.ended.append(("session", session_id))

    async def tell(self, *what):
        self.told.append(what)

    async def end_user(self, user_id, reason):
        self.ended.append(("user", user_id))

    async def end_server(self, server_id, reason):
        self.ended.append(("server", server_id))

    async def end_barred(self, barred, reason):
        self.ended.append(("barred", barred))

    async def drain_server(self, server_id):
        self.ended.append(("drained", server_id))

    async def drain_credential(self, user_id, server_id):
        self.ended.append(("credential", user_id, server_id))

    async def tidy(self, servers, gone_users):
        self.ended.append(("tidied", tuple(servers), tuple(gone_users)))

    def forget_failures(self, server_id):
        pass

    def status(self, server_id):
        return ServerStatus(state="idle", since=0)

    def runtimes(self):
        return []

    async def end_runtime(self, runtime_id, reason):
        return False

    def stderr(self, runtime_id):
        return []

    def sandbox(self, spec):
        return None

    async def close(self):
        pass


class RecordingTraffic:
    """Rows as they are handed over: (method, server, tool, status, reason)."""

    def __init__(self):
        self.starts, self.ends, self.sessions = [], [], []
        self.ended_requests = []

    def request(self, session, method, *, bytes_in=0):
        made = Request(session, method, bytes_in)
        assert made.public_id == readable(made.id, session.user_id, session.session_id, method)
        return made

    def started(self, request):
        self.starts.append(request)

    def ended(self, request, status, *, error_code="", reason="", **_):
        self.ends.append((request.method, request.server, request.tool, status, reason))
        self.ended_requests.append(request)
        return 0.0

    def session_opened(self, session):
        self.sessions.append(("opened", session.session_id))

    def session_closed(self, session, reason):
        self.sessions.append((reason, session.session_id))


class MemoryRows(SessionRows):
    def __init__(self):
        self.rows = {}

    async def add(self, row):
        self.rows[row.digest] = row

    async def find(self, digest):
        return self.rows.get(digest)

    async def change(self, digest, options):
        self.rows[digest] = replace(self.rows[digest], options=options)

    async def seen(self, digests):
        pass

    async def remove(self, digests):
        for digest in digests:
            self.rows.pop(digest, None)

    async def remove_of_user(self, user_id):
        self.rows = {digest: row for digest, row in self.rows.items() if row.user_id != user_id}

    async def remove_of_key(self, key_id):
        self.rows = {digest: row for digest, row in self.rows.items() if row.key_id != key_id}


class FreshTail:
    def __init__(self):
        self.is_fresh = True

    def fresh(self):
        return self.is_fresh

    async def confirm(self, timeout):  # noqa: ASYNC109
        return self.is_fresh


class World:
    """A gateway and the facts it decides by."""

    def __init__(self, *, rows=None, keys=None, search=None, **limits):
        self.vault = Vault(keys or MemoryKeyStore(), Ring.parse(new_ring_text()), time.monotonic)
        self.model = AccessModel(lambda name: name)
        self.traffic = RecordingTraffic()
        self.tail = FreshTail()
        self.upstreams = {}
        self.used = []
        self.judged = []  # (user, server, version of the values, refused)
        self.recent = {}  # user → servers called of late
        self.rows = rows or MemoryRows()
        self.search = search  # makes what search stands on, of the access model
        self._positions = count(1)
        self.limits = Limits(**{"debounce": 0.01, **limits})
        self.start()

    def start(self):
        """A hub that begins: nothing live, the same rows and facts."""
        self.gateway = HubGateway(
            limits=self.limits,
            model=self.model,
            tail=self.tail,
            vault=self.vault,
            values=OpenedValues(self.model, self.vault),
            traffic=self.traffic,
            make_pool=self._make_pool,
            rows=None,
            node="n1",
            hub_variables={},
            key_used=self.used.append,
            values_judged=lambda *judged: self.judged.append(judged),
            recent=self._recent,
            search=self.search(self.model) if self.search is not None else None,
        )
        self.gateway._lifecycle._rows = self.rows

    async def _recent(self, user, most):
        return self.recent.get(user, [])[:most]

    def _make_pool(self, listener):
        self.pool = ScriptedPool(self.upstreams)
        return self.pool

    def record(self, event, *tags):
        recorded = Recorded(
            position=next(self._positions),
            at=datetime.now(UTC),
            event=event,
            meta=Meta(actor="system:test", actor_kind="system"),
            id=new_id(),
            tags=tags,
        )
        self.model.apply(recorded)
        self.gateway.facts_applied([recorded])
        return recorded.position

    def user(self, name, **key):
        """A user who is let in; returns a key of theirs."""
        self.record(UserRegistered(user_id=name, username="sealed"), user_tag(name), username_tag(name))
        self.record(UserActivated(user_id=name), user_tag(name))
        return self.key(name, **key)

    def key(self, user, key_id="", **more):
        key = new_key()
        self.record(
            KeyIssued(
                key_id=key_id or f"key-{user}",
                user_id=user,
                name="k",
                digest=self.vault.key_digest(key),
                prefix=key[7:11],
                last4=key[-4:],
                expires_at=datetime.now(UTC) + timedelta(days=1),
                **more,
            ),
            user_tag(user),
        )
        return key

    def server(self, name, *tools, **config):
        """A server with these tools, by its name as id and slug."""
        self.upstreams[name] = Upstream(*(tool(each) if isinstance(each, str) else each for each in tools))
        self.record(
            ServerAdded(server_id=name, name=name, slug=name, config=_config(config)), server_tag(name), SERVERS
        )
        return self.upstreams[name]

    def change(self, name, **config):
        self.record(ServerChanged(server_id=name, config=_config(config)), server_tag(name), SERVERS)

    def runtime(self, name, user):
        """Something of that server that was opened for the user, to speak in its name."""
        asker = one_shot(self.model, Principal(user, f"key-{user}"), ALL, "2025-11-25")
        return ScriptedRuntime(self.upstreams[name], self.model.servers[name].spec, asker.identity(self.model, name))

    # requests

    async def send(self, method, path="/mcp", *, key="", body=None, headers=None, key_in_url=""):
        """One whole HTTP request and its whole answer."""
        stream = await self.open(method, path, key=key, body=body, headers=headers, key_in_url=key_in_url)
        await asyncio.wait_for(stream.done, 5)
        return stream

    async def open(self, method, path="/mcp", *, key="", body=None, headers=None, key_in_url="", leaves=None):
        """The same, without waiting for the end of the answer. With the event `leaves` the client goes away."""
        sent = {"host": "127.0.0.1:3000", **(headers or {})}
        if key:
            sent.setdefault("authorization", f"Bearer {key}")
        if method == "POST":
            sent.setdefault("content-type", "application/json")
            sent.setdefault("accept", "application/json, text/event-stream")
        raw = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
        }
        if key_in_url:
            scope["mcphub.key"] = key_in_url
        answer = HttpAnswer()
        answer.done = asyncio.ensure_future(self.gateway(scope, _receive(raw, leaves), answer.send))
        return answer

    async def rpc(self, method, params=None, *, id_=1, **how):
        body = {"jsonrpc": "2.0", "method": method, "params": params or {}}
        if id_ is not None:
            body["id"] = id_
        return await self.send("POST", body=body, **how)

    async def client(self, key, path="/mcp", *, protocol="2025-11-25", capabilities=None):
        """A session; returns what its requests carry."""
        params = {
            "protocolVersion": protocol,
            "capabilities": capabilities or {},
            "clientInfo": {"name": "test", "version": "1"},
        }
        answer = await self.rpc("initialize", params, key=key, path=path)
        assert answer.status == 200, answer.body
        headers = {"mcp-session-id": answer.headers["mcp-session-id"], "mcp-protocol-version": protocol}
        return {"key": key, "path": path, "headers": headers}


def _config(config):
    return Raw(json.dumps({"type": "streamable-http", "url": "http://127.0.0.1:9/mcp", **config}).encode())


def _receive(raw, leaves=None):
    sent = False

    async def receive():
        nonlocal sent
        if sent:
            await (leaves or asyncio.Event()).wait()
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": raw, "more_body": False}

    return receive


class HttpAnswer:
    def __init__(self):
        self.status = 0
        self.headers = {}
        self.body = b""
        self.news = asyncio.Event()

    async def send(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message["body"]
        self.news.set()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def events(self):
        """(id, data) of the events so far."""
        out = []
        for block in self.body.decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and line[0] != ":")
            if fields:
                out.append((fields.get("id", ""), fields.get("data", "")))
        return out

    @property
    def messages(self):
        return [json.loads(data) for _, data in self.events if data]

    async def until(self, condition):
        """Waits for more of the answer until the condition holds."""
        async with asyncio.timeout(5):
            while not condition(self):
                self.news.clear()
                await self.news.wait()
        return self
