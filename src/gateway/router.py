"""What a user sees and may call: each server's list as the server gives it to that user, merged under exposed names.

A tool is found by the map kept with its server's list, never by taking its name apart; the slug alone says which server
to ask, because no slug holds a `_`. Every list and every call goes through `decide`.
"""

import asyncio
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

import structlog
from msgspec import Raw, Struct

from mcphub.domain.access import AccessModel, Capability, decide, visible_servers
from mcphub.domain.names import SEPARATOR, tool_map
from mcphub.domain.settings_state import ServerState
from mcphub.gateway import wire
from mcphub.gateway.errors import Answer, BadParams, UnknownName
from mcphub.gateway.session import Asker

log = structlog.get_logger()

FRESH_SECONDS = 30.0  # a list is asked for again after that, for upstreams that announce no changes
KEPT_SECONDS = 24 * 3600.0
MOST_PAGES = 50
MOST_LISTS = 20_000
KNOWN_AGAIN_SECONDS = 2.0  # an unknown name asks the upstream anew at most that often


class Item(Struct, frozen=True):
    """A tool of one server: its name there, its name on the aggregate, its definition under either."""

    name: str
    exposed: str
    raw: bytes
    exposed_raw: bytes


class ToolList(Struct):
    """A server's tools as it listed them to one user, in its order."""

    items: list[Item]
    by_exposed: dict[str, Item]
    at: float  # monotonic seconds
    stale: bool = False
    chunk: tuple[int, bytes, int, int] | None = None  # (server's position, joined, shown, filtered)


class Listing(Struct, frozen=True):
    """The result of a merged list. `late` names the servers that are missing in it or shown as they were."""

    result: bytes
    shown: int
    filtered: int
    late: tuple[str, ...] = ()


Fetch = Callable[[Asker, ServerState], Awaitable[list[bytes]]]
Key = tuple[str, str, str, str]


class Router:
    """The lists of all users, by (server, transport, user, state of the user's values).

    Args:
        fetch: asks a server for all its tools on behalf of somebody; raises Answer.
        deadline: seconds a merged list waits for servers that have never answered.
    """

    def __init__(self, model: AccessModel, fetch: Fetch, *, deadline: float, page: int) -> None:
        self._model = model
        self._fetch = fetch
        self._deadline = deadline
        self._page = page
        self._lists: dict[Key, ToolList] = {}
        self._fetching: dict[Key, asyncio.Task[ToolList]] = {}

    # questions

    async def tools_page(self, asker: Asker, cursor: str | None, at: datetime) -> Listing:
        """One page of everything the asker may call, by slug, then in each server's own order.

        Raises:
            BadParams: the cursor is none of ours.
        """
        servers = visible_servers(self._model, asker.principal, at, asker.view)
        lists, late = await self._gather(asker, servers)
        filtered = sum(len(found.items) for found in self._hidden(asker, servers))
        chunks, shown = [], 0
        for server, found in lists:
            joined, count, off = _chunk(server, found)
            filtered += off
            shown += count
            if count:
                chunks.append(joined)
        if cursor is None and shown <= self._page:
            return Listing(b'{"tools":[' + b",".join(chunks) + b"]}", shown, filtered, late)
        return self._cut(lists, cursor, filtered, late)

    def _cut(
        self, lists: list[tuple[ServerState, ToolList]], cursor: str | None, filtered: int, late: tuple[str, ...]
    ) -> Listing:
        items = [(item.exposed, raw) for server, found in lists for item, raw in _shown(server, found)]
        start = 0
        if cursor is not None:
            last = _read_cursor(cursor)
            start = next((number for number, (name, _) in enumerate(items, 1) if name == last), -1)
            if start < 0:
                raise BadParams("The cursor is not one that a page gave out; begin at the first page.")
        page = items[start : start + self._page]
        result = b'{"tools":[' + b",".join(raw for _, raw in page) + b"]"
        if start + self._page < len(items):
            result += b',"nextCursor":' + wire.encode(_cursor(page[-1][0]))
        return Listing(result + b"}", len(page), filtered, late)

    async def find(self, asker: Asker, exposed: str, at: datetime) -> tuple[ServerState, str]:
        """The server and the upstream's name behind an exposed one.

        Raises:
            UnknownName: it does not exist, or is not for the asker.
            Answer: the server cannot say what it has.
        """
        slug = exposed.partition(SEPARATOR)[0]
        server = self._model.settings.by_slug(slug)
        if server is None:
            raise UnknownName("tool", exposed, "unknown_tool")
        decision = decide(self._model, asker.principal, Capability(server.server_id), at, asker.view)
        if not decision.allowed:
            raise UnknownName("tool", exposed, decision.reason)
        found = self.cached(asker, server)
        if found is None:
            found = await self.listed(asker, server)
        item = found.by_exposed.get(exposed)
        if item is None and time.monotonic() - found.at > KNOWN_AGAIN_SECONDS:
            found = await self.listed(asker, server, anew=True)
            item = found.by_exposed.get(exposed)
        if item is None:
            raise UnknownName("tool", exposed, "unknown_tool")
        self.must_be_on(server, item.name, exposed)
        return server, item.name

    def must_be_on(self, server: ServerState, name: str, shown_as: str, kind: str = "tools") -> None:
        """
        Raises:
            UnknownName: an administrator switched it off.
        """
        if not server.switched_on(kind, name):
            raise UnknownName(kind.removesuffix("s"), shown_as, "switched_off")

    def cached(self, asker: Asker, server: ServerState) -> ToolList | None:
        """The list as it is held, however old."""
        return self._lists.get(self._key(asker, server))

    def held(self, user_id: str, server: ServerState) -> ToolList | None:
        """The newest list held for a user."""
        owners = {user_id, ""} if server.spec.isolation == "shared" else {user_id}
        fitting = [
            found
            for (server_id, digest, owner, _), found in self._lists.items()
            if server_id == server.server_id and digest == server.spec.transport_digest and owner in owners
        ]
        return max(fitting, key=lambda found: found.at, default=None)

    async def listed(self, asker: Asker, server: ServerState, *, anew: bool = False) -> ToolList:
        """The server's list for the asker, asked for once however many wait.

        Raises:
            Answer: it cannot be had, and there is no older one.
        """
        key = self._key(asker, server)
        found = self._lists.get(key)
        if found is not None and not anew and not found.stale and time.monotonic() - found.at < FRESH_SECONDS:
            return found
        task = self._fetching.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, asker, server), name=f"list-{server.slug}")
            self._fetching[key] = task
            task.add_done_callback(lambda _: self._fetching.pop(key, None))
        try:
            return await asyncio.shield(task)
        except Answer:
            if found is not None and not anew:
                return found  # it was good a while ago, and calls say for themselves what is wrong
            raise

    # changes

    def changed(self, server_id: str, user_id: str | None) -> None:
        """The upstream says its list is another one now; user None: for everybody."""
        for key, found in self._lists.items():
            if key[0] == server_id and user_id in (None, key[2]):
                found.stale = True

    def forget(self) -> None:
        """Drops lists of servers and configurations that are gone, and the oldest beyond the bound."""
        now = time.monotonic()
        servers = self._model.servers
        for key, found in list(self._lists.items()):
            server = servers.get(key[0])
            gone = server is None or server.spec.transport_digest != key[1]
            if gone or now - found.at > KEPT_SECONDS:
                del self._lists[key]
        while len(self._lists) > MOST_LISTS:
            del self._lists[min(self._lists, key=lambda key: self._lists[key].at)]

    # asking

    def _key(self, asker: Asker, server: ServerState) -> Key:
        owner = "" if server.spec.isolation == "shared" else asker.principal.user_id
        version = asker.identity(self._model, server.server_id).credential_version
        return (server.server_id, server.spec.transport_digest, owner, version)

    async def _ask(self, key: Key, asker: Asker, server: ServerState) -> ToolList:
        raws = await self._fetch(asker, server)
        items = []
        named = [(name, raw) for raw in raws if (name := _name(raw)) is not None]
        exposed_of = {name: exposed for exposed, name in tool_map(server.slug, [name for name, _ in named]).items()}
        for name, raw in named:
            exposed = exposed_of[name]
            items.append(Item(name, exposed, raw, _renamed(raw, exposed)))
        made = ToolList(items, {item.exposed: item for item in items}, time.monotonic())
        self._lists[key] = made
        return made

    async def _gather(
        self, asker: Asker, servers: list[ServerState]
    ) -> tuple[list[tuple[ServerState, ToolList]], tuple[str, ...]]:
        """Lists of all servers; one that is down or late keeps its last list, or is left out, and delays no other."""
        lists: dict[str, ToolList] = {}
        waiting: dict[asyncio.Task[ToolList], ServerState] = {}
        for server in servers:
            found = self.cached(asker, server)
            if found is not None and not found.stale and time.monotonic() - found.at < FRESH_SECONDS:
                lists[server.server_id] = found
            else:
                waiting[asyncio.create_task(self.listed(asker, server))] = server
        late = []
        if waiting:
            done, _ = await asyncio.wait(waiting, timeout=self._deadline)
            for task, server in waiting.items():
                if task in done and task.exception() is None:
                    lists[server.server_id] = task.result()
                    continue
                late.append(server.slug)
                if task in done and not isinstance(task.exception(), Answer):
                    log.error("list_failed", server=server.slug, exc_info=task.exception())
                if (old := self.cached(asker, server)) is not None:
                    lists[server.server_id] = old
                task.cancel()  # the shielded question goes on for whoever asks next
        return [(server, lists[server.server_id]) for server in servers if server.server_id in lists], tuple(late)

    def _hidden(self, asker: Asker, shown: list[ServerState]) -> Iterable[ToolList]:
        """Lists the asker has of servers that this view, group or key hides."""
        visible = {server.server_id for server in shown}
        for server in self._model.servers.values():
            if server.server_id not in visible and (found := self.cached(asker, server)) is not None:
                yield found


def described(server: ServerState, name: str, raw: bytes) -> bytes:
    """A tool's definition with the administrator's description, when there is one."""
    description = server.override("tools", name).get("description")
    if not isinstance(description, str):
        return raw
    found: dict[str, Raw | bytes] = dict(wire.members(raw))
    found["description"] = wire.encode(description)
    return wire.joined(found)


def _shown(server: ServerState, found: ToolList) -> Iterable[tuple[Item, bytes]]:
    for item in found.items:
        if server.switched_on("tools", item.name):
            yield item, described(server, item.name, item.exposed_raw)


def _chunk(server: ServerState, found: ToolList) -> tuple[bytes, int, int]:
    """A server's part of the merged list: (joined definitions, shown, switched off); made once a configuration."""
    if found.chunk is None or found.chunk[0] != server.changed_at:
        raws = [raw for _, raw in _shown(server, found)]
        found.chunk = (server.changed_at, b",".join(raws), len(raws), len(found.items) - len(raws))
    return found.chunk[1:]


def _name(raw: bytes) -> str | None:
    try:
        return wire.text(wire.members(raw), "name")
    except wire.Unreadable:
        return None


def _renamed(raw: bytes, name: str) -> bytes:
    found: dict[str, Raw | bytes] = dict(wire.members(raw))
    found["name"] = wire.encode(name)
    return wire.joined(found)


def _cursor(last: str) -> str:
    return urlsafe_b64encode(b"tools:" + last.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> str:
    try:
        kind, _, last = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except ValueError:
        kind, last = "", ""
    if kind != "tools" or not last:
        raise BadParams("The cursor is not one that a page gave out; begin at the first page.")
    return last
