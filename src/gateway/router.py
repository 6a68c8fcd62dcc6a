"""What a user sees and may use: each server's lists as the server gives them to that user, merged under exposed names.

A tool or prompt is found by the map kept with its server's list, never by taking its name apart; the slug alone says
which server to ask, because no slug holds a `_`. A resource is found by the lists, then by the templates.
Every list and every use goes through `decide`.
"""

import asyncio
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Literal

import structlog
from msgspec import Raw, Struct
from msgspec.structs import replace

from mcphub.domain.access import AccessModel, Capability, decide, visible_servers
from mcphub.domain.names import SEPARATOR, tool_map
from mcphub.domain.settings_state import ServerState
from mcphub.domain.tool_book import definition_of
from mcphub.gateway import wire
from mcphub.gateway.errors import Answer, BadParams, UnknownName
from mcphub.gateway.kinds import RESOURCES, TEMPLATES, TOOLS, Offer
from mcphub.gateway.server_tools import OneTool, one_tool
from mcphub.gateway.session import Asker
from mcphub.gateway.telling import Tells, nothing
from mcphub.gateway.uris import marked, matches, unmarked

log = structlog.get_logger()

FRESH_SECONDS = 30.0  # a list is asked for again after that, for upstreams that announce no changes
KEPT_SECONDS = 24 * 3600.0
MOST_PAGES = 50
MOST_LISTS = 20_000
KNOWN_AGAIN_SECONDS = 2.0  # an unknown name asks the upstream anew at most that often


class Item(Struct, frozen=True):
    """A thing of one server: its name there, its name on the aggregate, its definition under either.

    Args:
        hash: of a tool's definition, as the record has it.
        telling: where a value is that was given to the server for this user; it is not put on the record.
    """

    name: str
    exposed: str
    raw: bytes
    exposed_raw: bytes
    hash: str = ""
    telling: Literal["", "name", "text"] = ""


class ServerList(Struct):
    """What a server listed to one user, in its order.

    Args:
        heard: the array as it came by at the server's own address; b"" for a list the hub asked for itself.
    """

    offer: Offer
    items: list[Item]
    by_exposed: dict[str, Item]
    by_name: dict[str, Item]
    at: float  # monotonic seconds
    stale: bool = False
    heard: bytes = b""
    chunk: "Chunk | None" = None
    as_one: tuple[int, OneTool | None] | None = None  # (position, the list as one tool)


class Chunk(Struct, frozen=True):
    """A server's part of a merged list. `withheld` are the tools that wait for approval."""

    position: int
    joined: bytes
    shown: int
    filtered: int
    withheld: tuple[str, ...]


class Fetched(Struct, frozen=True):
    """Definitions as a server sent them. `tells`: does a text hold a value that was given to the server?"""

    raws: list[bytes]
    tells: Tells = nothing


Fetch = Callable[[Asker, ServerState, Offer], Awaitable[Fetched]]
Key = tuple[str, str, str, str, str]
Lists = list[tuple[ServerState, ServerList]]
Named = list[tuple[str, bytes]]  # name → definition, in the order of the list


class Gathered(Struct, frozen=True):
    """Everything of a kind that somebody may use, by slug.

    Args:
        shown, filtered: items in it, and items that access hid.
        late: servers that are missing in it or shown as they were.
    """

    offer: Offer
    lists: Lists
    shown: int
    filtered: int
    late: tuple[str, ...]


class Listing(Struct, frozen=True):
    """A page of a merged list, and how many items are in it."""

    result: bytes
    shown: int


class Router:
    """The lists of all users, by (server, transport, user, state of the user's values, method).

    Args:
        fetch: asks a server for all of one kind on behalf of somebody; raises Answer.
        deadline: seconds a merged list waits for servers that have never answered.
    """

    def __init__(self, model: AccessModel, fetch: Fetch, *, deadline: float, page: int) -> None:
        #: told (server id, user id or None for all, kind) when a list arrives that somebody was answered without
        self.arrived_late: Callable[[str, str | None, Offer], None] = lambda *_: None
        #: told (server id, tools that left the list) when a list of tools brought what is not on the record, or less
        self.brought_news: Callable[[str, set[str]], None] = lambda *_: None
        self._model = model
        self._fetch = fetch
        self._deadline = deadline
        self._page = page
        self._lists: dict[Key, ServerList] = {}
        self._fetching: dict[Key, asyncio.Task[ServerList]] = {}

    # questions

    async def gather(self, asker: Asker, offer: Offer, at: datetime) -> Gathered:
        """Everything of a kind the asker may use: the servers' lists as far as they can be had in time."""
        servers = visible_servers(self._model, asker.principal, at, asker.view)
        lists, late = await self._gather(asker, servers, offer)
        filtered = sum(len(found.items) for found in self._hidden(asker, servers, offer))
        shown = 0
        for server, found in lists:
            chunk = self._chunk(server, found)
            shown += chunk.shown
            filtered += chunk.filtered
        return Gathered(offer, lists, shown, filtered, late)

    def page(self, gathered: Gathered, cursor: str | None, more: Named) -> Listing:
        """One page of it, by slug, then in each server's own order; `more` comes last.

        Raises:
            BadParams: the cursor is none of ours.
        """
        offer, shown = gathered.offer, gathered.shown + len(more)
        chunks = [joined for server, found in gathered.lists if (joined := self._chunk(server, found).joined)]
        if cursor is None and shown <= self._page and (offer.prefixed or len(chunks) <= 1):
            joined = b",".join([*chunks, *(raw for _, raw in more)])
            return Listing(b'{"%b":[%b]}' % (offer.member.encode(), joined), shown)
        items = [(server, item, raw) for server, found in gathered.lists for item, raw in self._shown(server, found)]
        return self.cut([*_told_apart(items, offer), *more], offer, cursor)

    def cut(self, named: Named, offer: Offer, cursor: str | None) -> Listing:
        """One page of these.

        Raises:
            BadParams: the cursor is none of ours.
        """
        start = 0
        if cursor is not None:
            last = _read_cursor(cursor, offer)
            start = next((number for number, (name, _) in enumerate(named, 1) if name == last), -1)
            if start < 0:
                raise BadParams("The cursor is not one that a page gave out; begin at the first page.")
        page = named[start : start + self._page]
        result = b'{"%b":[%b]' % (offer.member.encode(), b",".join(raw for _, raw in page))
        if start + self._page < len(named):
            result += b',"nextCursor":' + wire.encode(_cursor(page[-1][0], offer))
        return Listing(result + b"}", len(page))

    async def find(self, asker: Asker, offer: Offer, exposed: str, at: datetime) -> tuple[ServerState, str]:
        """The server and its own name behind an exposed one.

        Raises:
            UnknownName: it does not exist, or is not for the asker.
            Answer: the server cannot say what it has.
        """
        if not offer.prefixed:
            return await self._find_resource(asker, exposed, at)
        slug = exposed.partition(SEPARATOR)[0]
        server = self._model.settings.by_slug(slug)
        if server is None:
            raise UnknownName(offer.what, exposed, f"unknown_{offer.what}")
        decision = decide(self._model, asker.principal, Capability(server.server_id), at, asker.view)
        if not decision.allowed:
            raise UnknownName(offer.what, exposed, decision.reason)
        found = await self.own_list(asker, server, offer)
        item = found.by_exposed.get(exposed)
        if item is None and (anew := await self.known_again(asker, server, found)) is not None:
            item = anew.by_exposed.get(exposed)
        if item is None:
            raise UnknownName(offer.what, exposed, f"unknown_{offer.what}")
        self._must_be_on(server, offer, item.name, item.hash, exposed)
        return server, item.name

    async def own_list(self, asker: Asker, server: ServerState, offer: Offer = TOOLS) -> ServerList:
        """The list a call of the asker is decided by: the latest one, however old, unless it is known to be outdated
        and what changed may have to wait.

        Raises:
            Answer: there is none, and it cannot be had.
        """
        found = self.cached(asker, server, offer)
        if found is None or (found.stale and offer is TOOLS and self._model.governed(server)):
            found = await self.listed(asker, server, offer)
        return found

    async def must_be_on(self, asker: Asker, server: ServerState, offer: Offer, name: str) -> None:
        """For a name at the server's own address, where the server itself says what it does not know.

        Raises:
            UnknownName: an administrator switched it off, or it waits for approval.
            Answer: it may have to wait, and the server cannot be asked what it says of it.
        """
        if offer is not TOOLS or not self._model.governed(server):
            self._must_be_on(server, offer, name, "", name)
            return
        found = await self.own_list(asker, server)
        if name not in found.by_name and (anew := await self.known_again(asker, server, found)) is not None:
            found = anew
        if (item := found.by_name.get(name)) is None:
            raise UnknownName(offer.what, name, f"unknown_{offer.what}")
        self._must_be_on(server, offer, name, item.hash, name)

    async def known_again(self, asker: Asker, server: ServerState, found: ServerList) -> ServerList | None:
        """The list anew, for a name that is not in it; None when that was done a moment ago.

        Raises:
            Answer: it cannot be had.
        """
        if time.monotonic() - found.at <= KNOWN_AGAIN_SECONDS:
            return None
        return await self.listed(asker, server, found.offer, anew=True)

    async def _find_resource(self, asker: Asker, uri: str, at: datetime) -> tuple[ServerState, str]:
        """By the lists, then by the templates. What two servers have and no mark tells apart is nobody's."""
        slug, own = unmarked(uri)
        servers = visible_servers(self._model, asker.principal, at, asker.view)
        if slug:
            servers = [server for server in servers if server.slug == slug]
        lists, _ = await self._gather(asker, servers, RESOURCES)
        owners = [server for server, found in lists if own in found.by_exposed]
        if not owners:
            lists, _ = await self._gather(asker, servers, TEMPLATES)
            owners = [server for server, found in lists if any(matches(item.name, own) for item in found.items)]
        if len(owners) != 1:
            raise UnknownName("resource", uri, "ambiguous_resource" if owners else "unknown_resource")
        self._must_be_on(owners[0], RESOURCES, own, "", uri)
        return owners[0], own

    def _must_be_on(self, server: ServerState, offer: Offer, name: str, definition: str, shown_as: str) -> None:
        """
        Raises:
            UnknownName: an administrator switched it off, or it waits for approval.
        """
        reason = self._model.offered(server, offer.kind, name, definition)
        if reason != "allowed":
            raise UnknownName(offer.what, shown_as, reason)

    def cached(self, asker: Asker, server: ServerState, offer: Offer = TOOLS) -> ServerList | None:
        """The list as it is held, however old."""
        return self._lists.get(self._key(asker, server, offer))

    def held(self, user_id: str, server: ServerState) -> ServerList | None:
        """The newest list of tools held for a user."""
        owners = {user_id, ""} if server.spec.isolation == "shared" else {user_id}
        fitting = [
            found
            for (server_id, digest, owner, _, method), found in self._lists.items()
            if server_id == server.server_id
            and digest == server.spec.transport_digest
            and owner in owners
            and method == TOOLS.list_method
        ]
        return max(fitting, key=lambda found: found.at, default=None)

    def lists_of(self, server_id: str) -> list[ServerList]:
        """The latest list of tools of each user."""
        latest: dict[str, ServerList] = {}
        for (server, _, owner, _, method), found in self._lists.items():
            if server == server_id and method == TOOLS.list_method:
                before = latest.get(owner)
                if before is None or before.at < found.at:
                    latest[owner] = found
        return list(latest.values())

    def withheld(self, asker: Asker, server: ServerState) -> tuple[str, ...]:
        """Tools of the asker's latest list that wait for approval."""
        if not self._model.governed(server) or (found := self.cached(asker, server)) is None:
            return ()
        return self._chunk(server, found).withheld

    async def listed(
        self, asker: Asker, server: ServerState, offer: Offer = TOOLS, *, anew: bool = False
    ) -> ServerList:
        """The server's list for the asker, asked for once however many wait.

        Raises:
            Answer: it cannot be had, and there is no older one.
        """
        key = self._key(asker, server, offer)
        found = self._lists.get(key)
        if found is not None and not anew and _fresh(found):
            return found
        task = self._fetching.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, asker, server, offer), name=f"list-{server.slug}")
            self._fetching[key] = task
            task.add_done_callback(lambda _: self._fetching.pop(key, None))
        try:
            return await asyncio.shield(task)
        except Answer:
            if found is not None and not anew:
                return found  # it was good a while ago, and calls say for themselves what is wrong
            raise

    # changes

    def changed(self, server_id: str, user_id: str | None, offer: Offer | None = None) -> None:
        """The upstream says its list is another one now; user None: for everybody; offer None: all lists."""
        for key, found in self._lists.items():
            if key[0] == server_id and user_id in (None, key[2]) and (offer is None or offer.kind == found.offer.kind):
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

    def _key(self, asker: Asker, server: ServerState, offer: Offer) -> Key:
        owner = "" if server.spec.isolation == "shared" else asker.principal.user_id
        identity = asker.identity(self._model, server.server_id)
        version = identity.credential_version
        if identity.declared:  # a server may have more for clients of the newest revision
            version += "+"
        return (server.server_id, server.spec.transport_digest, owner, version, offer.list_method)

    async def _ask(self, key: Key, asker: Asker, server: ServerState, offer: Offer) -> ServerList:
        fetched = await self._fetch(asker, server, offer)
        return self._took(key, server, offer, fetched)

    def heard_again(self, asker: Asker, server: ServerState, raw: bytes) -> bool:
        """Is a list of tools that came by at the server's own address the asker's latest one? Then it is fresh again.

        Args:
            raw: the array.
        """
        found = self._lists.get(self._key(asker, server, TOOLS))
        if found is None or found.heard != raw:
            return False
        found.at, found.stale = time.monotonic(), False
        return True

    def heard(self, asker: Asker, server: ServerState, raw: bytes, tells: Tells) -> None:
        """A list of tools came by that is another one: it is the asker's latest from now on.

        Raises:
            Unreadable: it is no list.
        """
        key = self._key(asker, server, TOOLS)
        self._took(key, server, TOOLS, Fetched(wire.items(raw), tells)).heard = raw

    def _took(self, key: Key, server: ServerState, offer: Offer, fetched: Fetched) -> ServerList:
        named = [(name, raw) for raw in fetched.raws if (name := _name(raw, offer)) is not None]
        exposed_of: dict[str, str] = {}
        if offer.prefixed:
            exposed_of = {name: exposed for exposed, name in tool_map(server.slug, [name for name, _ in named]).items()}
        items = []
        for name, raw in named:
            exposed = exposed_of.get(name, name)
            exposed_raw = _renamed(raw, offer, exposed) if exposed != name else raw
            hash = definition_of(raw).hash if offer is TOOLS else ""
            items.append(Item(name, exposed, raw, exposed_raw, hash))
        by_exposed = {item.exposed: item for item in items}
        made = ServerList(offer, items, by_exposed, {item.name: item for item in items}, time.monotonic())
        before = self._lists.get(key)
        self._lists[key] = made
        if offer is TOOLS:
            self._look_for_news(server, before, made, fetched.tells)
        return made

    def _look_for_news(self, server: ServerState, before: ServerList | None, made: ServerList, tells: Tells) -> None:
        book = self._model.tools.get(server.server_id)
        news = False
        for number, item in enumerate(made.items):
            if book is None or not book.knows(item.name, item.hash):
                news = True
                made.items[number] = _marked(item, tells)
        gone = before.by_name.keys() - made.by_name.keys() if before is not None else set()
        if news or gone:
            self.brought_news(server.server_id, gone)

    async def _gather(self, asker: Asker, servers: list[ServerState], offer: Offer) -> tuple[Lists, tuple[str, ...]]:
        """Lists of all servers; one that is down or late keeps its last list, or is left out, and delays no other."""
        lists: dict[str, ServerList] = {}
        waiting: dict[asyncio.Task[ServerList], ServerState] = {}
        for server in servers:
            found = self.cached(asker, server, offer)
            if found is not None and _fresh(found):
                lists[server.server_id] = found
            else:
                waiting[asyncio.create_task(self.listed(asker, server, offer))] = server
        late = []
        if waiting:
            done, _ = await asyncio.wait(waiting, timeout=self._deadline)
            for task, server in waiting.items():
                if task in done and task.exception() is None:
                    lists[server.server_id] = task.result()
                    continue
                late.append(server.slug)
                if task not in done:
                    self._tell_when_there(asker, server, offer)
                if task in done and not isinstance(task.exception(), Answer):
                    log.error("list_failed", server=server.slug, exc_info=task.exception())
                if (old := self.cached(asker, server, offer)) is not None:
                    lists[server.server_id] = old
                task.cancel()  # the shielded question goes on for whoever asks next
        return [(server, lists[server.server_id]) for server in servers if server.server_id in lists], tuple(late)

    def _tell_when_there(self, asker: Asker, server: ServerState, offer: Offer) -> None:
        """The client was answered without this server, and asks again only when it is told to."""
        key = self._key(asker, server, offer)

        def told(asked: asyncio.Task[ServerList]) -> None:
            if not asked.cancelled() and asked.exception() is None:
                self.arrived_late(server.server_id, key[2] or None, offer)

        if (asked := self._fetching.get(key)) is not None:
            asked.add_done_callback(told)

    def _hidden(self, asker: Asker, shown: list[ServerState], offer: Offer) -> Iterable[ServerList]:
        """Lists the asker has of servers that this view, group or key hides."""
        visible = {server.server_id for server in shown}
        for server in self._model.servers.values():
            if server.server_id not in visible and (found := self.cached(asker, server, offer)) is not None:
                yield found

    # what may be seen of a list

    def _shown(self, server: ServerState, found: ServerList) -> Iterable[tuple[Item, bytes]]:
        for item in found.items:
            if self._model.offered(server, found.offer.kind, item.name, item.hash) == "allowed":
                yield item, described(server, found.offer, item.name, item.exposed_raw)

    def _position(self, server: ServerState) -> int:
        """Of the last fact that what is offered of the server may depend on."""
        book = self._model.tools.get(server.server_id)
        return server.changed_at if book is None else max(server.changed_at, book.changed_at)

    def _chunk(self, server: ServerState, found: ServerList) -> Chunk:
        """A server's part of the merged list; made once for what the facts say."""
        position = self._position(server)
        if found.chunk is None or found.chunk.position != position:
            raws = [raw for _, raw in self._shown(server, found)]
            off = len(found.items) - len(raws)
            withheld = [
                item.name
                for item in (found.items if off else ())
                if self._model.offered(server, found.offer.kind, item.name, item.hash) == "quarantined"
            ]
            found.chunk = Chunk(position, b",".join(raws), len(raws), off, tuple(withheld))
        return found.chunk

    def as_one(self, server: ServerState, found: ServerList) -> OneTool | None:
        """A list of tools as one tool, of what may be seen of it; made once for what the facts say."""
        position = self._position(server)
        if found.as_one is None or found.as_one[0] != position:
            seen = {item.name: described(server, TOOLS, item.name, item.raw) for item, _ in self._shown(server, found)}
            found.as_one = (position, one_tool(server, seen))
        return found.as_one[1]


def described(server: ServerState, offer: Offer, name: str, raw: bytes) -> bytes:
    """A definition with the administrator's description, when there is one."""
    description = server.override(offer.kind, name).get("description")
    if not isinstance(description, str):
        return raw
    found: dict[str, Raw | bytes] = dict(wire.members(raw))
    found["description"] = wire.encode(description)
    return wire.joined(found)


def _fresh(found: ServerList) -> bool:
    return not found.stale and time.monotonic() - found.at < FRESH_SECONDS


def _told_apart(items: list[tuple[ServerState, Item, bytes]], offer: Offer) -> Named:
    """(name, definition) of each item; an address that two servers have carries its server's mark."""
    if offer.prefixed:
        return [(item.exposed, raw) for _, item, raw in items]
    times = Counter(item.exposed for _, item, _ in items)
    out = []
    for server, item, raw in items:
        if times[item.exposed] == 1:
            out.append((item.exposed, raw))
        else:
            name = marked(server.slug, item.exposed)
            out.append((name, _renamed(raw, offer, name)))
    return out


def _marked(item: Item, tells: Tells) -> Item:
    text = definition_of(item.raw).text
    if text is None or not tells(text.decode()):
        return item
    return replace(item, telling="name" if tells(item.name) else "text")


def _name(raw: bytes, offer: Offer) -> str | None:
    try:
        return wire.text(wire.members(raw), offer.naming)
    except wire.Unreadable:
        return None


def _renamed(raw: bytes, offer: Offer, name: str) -> bytes:
    found: dict[str, Raw | bytes] = dict(wire.members(raw))
    found[offer.naming] = wire.encode(name)
    return wire.joined(found)


def _cursor(last: str, offer: Offer) -> str:
    return urlsafe_b64encode(f"{offer.list_method}:{last}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str, offer: Offer) -> str:
    try:
        method, _, last = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(":")
    except ValueError:
        method, last = "", ""
    if method != offer.list_method or not last:
        raise BadParams("The cursor is not one that a page gave out; begin at the first page.")
    return last
