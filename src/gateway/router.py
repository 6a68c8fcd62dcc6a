"""What a user sees and may use: each server's lists as the server gives them to that user, merged under exposed names.

A tool or prompt is found by the map kept with its server's list, never by taking its name apart; the slug alone says
which server to ask, because no slug holds a `_`. A resource is found by the lists, then by the templates.
Every list and every use goes through `decide`.
"""

import asyncio
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from heapq import nsmallest
from itertools import count

import structlog
from msgspec import Struct
from msgspec.structs import replace

from mcphub.domain.access import AccessModel, Capability, Kind, View, decide, visible_servers
from mcphub.domain.left_out import LeftOut
from mcphub.domain.names import NONE_GIVEN, SEPARATOR, shown_names
from mcphub.domain.settings_state import ServerState
from mcphub.domain.tool_book import definition_of
from mcphub.gateway import wire
from mcphub.gateway.definitions import readable
from mcphub.gateway.errors import Answer, BadParams, UnknownName
from mcphub.gateway.kinds import LISTED, RESOURCES, TEMPLATES, TOOLS, Offer
from mcphub.gateway.server_list import Chunk, Item, ServerList, current, described, name_items, renamed
from mcphub.gateway.server_tools import OneTool, inner_tool, one_tool
from mcphub.gateway.session import Asker
from mcphub.gateway.telling import Tells, nothing
from mcphub.gateway.upstream.runtime import UpstreamFailed
from mcphub.gateway.uris import marked, matches, unmarked

log = structlog.get_logger()

FRESH_SECONDS = 30.0  # a list is asked for again after that, for upstreams that announce no changes
DIGITS = re.compile(r"[0-9]{1,9}")
KEPT_SECONDS = 24 * 3600.0
MOST_PAGES = 50
MOST_LISTS = 20_000
NEWEST = "+"  # ends the version of values in the key of a list that is for clients of the newest revision
KNOWN_AGAIN_SECONDS = 2.0  # an unknown name asks the upstream anew at most that often


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
        position: of the facts it was decided by.
        chunks: the servers' parts, without those that have none.
        shown: items in it.
        until: monotonic seconds; one of the lists is asked for again from then on. 0 when one is missing or stale.
    """

    offer: Offer
    position: int
    lists: Lists
    chunks: list[bytes]
    shown: int
    left_out: LeftOut
    until: float


class Had(Struct):
    """Lists of several servers as far as they could be had in time.

    Args:
        lists: server id → its list, the latest one.
        missing, stale: server id → why it has no list, or why only an older one.
    """

    lists: dict[str, ServerList]
    missing: dict[str, str]
    stale: dict[str, str]


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
        #: told whose list became another one; '' for one that is shared
        self.became_other: Callable[[str], None] = lambda _: None
        #: told for whom a server's list could not be had in time, though the server is to be listed
        self.not_had: Callable[[Asker, ServerState, Offer], None] = lambda *_: None
        #: told (server id, tools that left the list) when a list of tools brought what is not on the record, or less
        self.brought_news: Callable[[str, set[str]], None] = lambda *_: None
        self._model = model
        self._fetch = fetch
        self._deadline = deadline
        self._page = page
        self._lists: dict[Key, ServerList] = {}
        self._news: Counter[str] = Counter()  # user, '' for what is shared → how often one of the lists became another
        # (user, key, view, revision, method) → (for what facts and lists, hidden items, hidden servers)
        self._counts: dict[
            tuple[str, str, View, str, str], tuple[tuple[int, int, int], Counter[str], Counter[str]]
        ] = {}
        self._fetching: dict[Key, asyncio.Task[ServerList]] = {}
        self._versions = count(1)
        self._marks: Counter[tuple[str, str | None, Kind]] = Counter()  # how often lists of these were marked

    # questions

    async def gather(self, asker: Asker, offer: Offer, at: datetime) -> Gathered:
        """Everything of a kind the asker may use: the servers' lists as far as they can be had in time.

        Kept while neither facts nor lists say otherwise: there may be hundreds of servers.
        """
        standing, place = self.standing(asker), ("gathered", offer.list_method)
        kept: tuple[object, Gathered] | None = asker.kept.get(place)
        kept_is_good = kept is not None and kept[0] == standing and time.monotonic() < kept[1].until
        if kept is not None and kept_is_good and self._model.alive(asker.principal, at):
            return replace(kept[1], position=self._model.position)
        gathered = await self._gathered(asker, offer, at)
        if gathered.until and self.standing(asker) == standing:
            asker.kept[place] = (standing, gathered)
        return gathered

    def standing(self, asker: Asker) -> tuple[int, int, int]:
        """Changes when what the asker sees may have, but for a clock that runs out."""
        user = asker.principal.user_id
        return self._model.stood_at(user), self._news[user], self._news[""]

    async def _gathered(self, asker: Asker, offer: Offer, at: datetime) -> Gathered:
        position = self._model.position
        servers = visible_servers(self._model, asker.principal, at, asker.view)
        had = await self._gather(asker, servers, offer)
        if self._model.position != position:  # some servers were waited for, and what is shown is decided now
            position = self._model.position
            servers = visible_servers(self._model, asker.principal, at, asker.view)
        lists = [(server, had.lists[server.server_id]) for server in servers if server.server_id in had.lists]
        seen = {server.server_id for server in servers}
        items, hidden = self._hidden(asker, offer, at)
        off, missing = Counter(items), Counter(hidden)
        shown, chunks = 0, []
        for server, found in lists:
            chunk = self._chunk(server, found)
            shown += chunk.shown
            off.update(chunk.off)
            if chunk.joined:
                chunks.append(chunk.joined)
        missing.update(why for server_id, why in had.missing.items() if server_id in seen)
        stale = Counter(why for server_id, why in had.stale.items() if server_id in seen)
        whole = len(lists) == len(servers) and not had.stale
        until = min((found.at for _, found in lists), default=time.monotonic()) + FRESH_SECONDS if whole else 0.0
        return Gathered(offer, position, lists, chunks, shown, LeftOut(off, missing, stale), until)

    def page(self, gathered: Gathered, cursor: str | None, more: Named) -> Listing:
        """One page of it, by slug, then in each server's own order; `more` comes last.

        Raises:
            BadParams: the cursor is none of ours.
        """
        offer, shown = gathered.offer, gathered.shown + len(more)
        if cursor is None and shown <= self._page and (offer.prefixed or len(gathered.chunks) <= 1):
            joined = b",".join([*gathered.chunks, *(raw for _, raw in more)])
            return Listing(b'{"%b":[%b]}' % (offer.member.encode(), joined), shown)
        items = [(server, item, raw) for server, found in gathered.lists for item, raw in self.shown(server, found)]
        return self.cut([*_told_apart(items, offer), *more], offer, cursor)

    def cut(self, named: Named, offer: Offer, cursor: str | None) -> Listing:
        """One page of these.

        Raises:
            BadParams: the cursor is none of ours.
        """
        start = 0
        if cursor is not None:
            at, last = _read_cursor(cursor, offer)
            # What a page ended with may be gone by now; what came behind it has moved up into its place.
            start = next((number for number, (name, _) in enumerate(named, 1) if name == last), at)
        page = named[start : start + self._page]
        result = b'{"%b":[%b]' % (offer.member.encode(), b",".join(raw for _, raw in page))
        if start + self._page < len(named):
            result += b',"nextCursor":' + wire.encode(_cursor(start + len(page) - 1, page[-1][0], offer))
        return Listing(result + b"}", len(page))

    async def find(self, asker: Asker, offer: Offer, exposed: str, at: datetime) -> tuple[ServerState, str]:
        """The server and its own name behind an exposed one.

        Raises:
            UnknownName: it does not exist, or is not for the asker.
            Answer: the server cannot say what it has.
        """
        if not offer.prefixed:
            return await self._find_resource(asker, exposed, at)
        server, item = await self._find_named(asker, offer, exposed, at)
        return server, item.name

    async def find_tool(self, asker: Asker, exposed: str, at: datetime) -> tuple[ServerState, Item]:
        """The server, and the tool as its list has it, behind an exposed name; raises as `find`."""
        return await self._find_named(asker, TOOLS, exposed, at)

    async def _find_named(self, asker: Asker, offer: Offer, exposed: str, at: datetime) -> tuple[ServerState, Item]:
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
            own = exposed.partition(SEPARATOR)[2]
            raise UnknownName(offer.what, exposed, f"unknown_{offer.what}", server=slug, own=own)
        self._must_be_on(server, offer, item.name, item.hash, exposed)
        return server, item

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

    async def own_name(self, asker: Asker, server: ServerState, offer: Offer, shown: str) -> str:
        """The server's own name of what is called at its own address; there it says itself what it does not know.

        Raises:
            UnknownName: an administrator switched it off, it waits for approval, or is called something else here.
            Answer: it takes the server's list to know that, and it cannot be had.
        """
        if offer is not TOOLS or not (server.given_names or self._model.governed(server)):
            self._must_be_on(server, offer, shown, "", shown)
            return shown
        found = await self.own_list(asker, server)
        item = found.called(shown, own=asker.own_names)
        if item is None and (anew := await self.known_again(asker, server, found)) is not None:
            item = anew.called(shown, own=asker.own_names)
        if item is None:
            raise UnknownName(offer.what, shown, f"unknown_{offer.what}", server=server.slug, own=shown)
        self._must_be_on(server, offer, item.name, item.hash, shown)
        return item.name

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
        lists = (await self._gather(asker, servers, RESOURCES)).lists
        owners = [server for server in servers if (found := lists.get(server.server_id)) and own in found.by_exposed]
        if not owners:
            lists = (await self._gather(asker, servers, TEMPLATES)).lists
            owners = [
                server
                for server in servers
                if (found := lists.get(server.server_id)) and any(matches(item.name, own) for item in found.items)
            ]
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
            raise UnknownName(offer.what, shown_as, reason, server=server.slug, own=name)

    def cached(self, asker: Asker, server: ServerState, offer: Offer = TOOLS) -> ServerList | None:
        """The list as it is held, however old."""
        found = self._lists.get(self.key(asker, server, offer))
        return None if found is None else current(server, found)

    def version(self, asker: Asker, server: ServerState, offer: Offer) -> int:
        """Of the content of the list that is held; 0 for none."""
        found = self.cached(asker, server, offer)
        return found.version if found is not None else 0

    def fresh(self, key: Key) -> bool:
        found = self._lists.get(key)
        return found is not None and _fresh(found)

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
        newest = max(fitting, key=lambda found: found.at, default=None)
        return None if newest is None else current(server, newest)

    def shown_as(self, asker: Asker, server: ServerState, names: Iterable[str]) -> Mapping[str, str]:
        """{own name: another one it has at the server's own address} of the tools on a page of the asker's list."""
        given = server.given_names
        if not given:
            return NONE_GIVEN
        found = self.cached(asker, server)
        shown = shown_names(server.slug, [*names, *(found.by_name if found is not None else ())], given)
        return {name: other for name, other in shown.items() if other != name}

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

        Args:
            anew: not one kept, and not one that was asked for before the last change.

        Raises:
            Answer: it cannot be had, and there is no older one.
        """
        key = self.key(asker, server, offer)
        found = self._lists.get(key)
        if found is not None and not anew and _fresh(found):
            return current(server, found)
        joined = key in self._fetching
        try:
            answered = await self._fetched(key, asker, server, offer)
            if anew and joined and answered.stale:  # it was asked for before what was said since
                answered = await self._fetched(key, asker, server, offer)
        except Answer:
            if found is not None and not anew:
                return current(server, found)  # it was good a while ago, and calls say for themselves what is wrong
            raise
        return current(server, answered)

    async def _fetched(self, key: Key, asker: Asker, server: ServerState, offer: Offer) -> ServerList:
        task = self._fetching.get(key)
        if task is None:
            task = asyncio.create_task(self._ask(key, asker, server, offer), name=f"list-{server.slug}")
            self._fetching[key] = task
            task.add_done_callback(lambda _: self._fetching.pop(key, None))
        return await asyncio.shield(task)

    # changes

    def changed(self, server_id: str, user_id: str | None, offer: Offer | None = None) -> None:
        """The upstream says its list is another one now; user None: for everybody; offer None: all lists."""
        for kind in {offer.kind} if offer is not None else {each.kind for each in LISTED.values()}:
            self.mark(server_id, user_id, kind)
        self._news[user_id or ""] += 1
        for key, found in self._lists.items():
            if key[0] == server_id and user_id in (None, key[2]) and (offer is None or offer.kind == found.offer.kind):
                found.stale = True

    def mark(self, server_id: str, user_id: str | None, kind: Kind) -> None:
        """What is read of such lists now may be outdated when it is here. Costs next to nothing."""
        self._marks[server_id, user_id, kind] += 1

    def forget(self) -> None:
        """Drops lists of servers and configurations that are gone, and the oldest beyond the bound."""
        now = time.monotonic()
        servers = self._model.servers
        for key, found in list(self._lists.items()):
            server = servers.get(key[0])
            gone = server is None or server.spec.transport_digest != key[1]
            if gone or now - found.at > KEPT_SECONDS:
                del self._lists[key]
                self._news[key[2]] += 1
        for mark in [mark for mark in self._marks if mark[0] not in servers]:
            del self._marks[mark]
        most = len(self._lists) - MOST_LISTS
        for key in nsmallest(most, self._lists, key=lambda key: self._lists[key].at):
            del self._lists[key]
            self._news[key[2]] += 1

    # asking

    def key(self, asker: Asker, server: ServerState, offer: Offer) -> Key:
        """Which list is the asker's."""
        owner = "" if server.spec.isolation == "shared" else asker.principal.user_id
        identity = asker.identity(self._model, server.server_id)
        version = identity.credential_version
        if identity.declared:  # a server may have more for clients of the newest revision
            version += NEWEST
        return (server.server_id, server.spec.transport_digest, owner, version, offer.list_method)

    async def _ask(self, key: Key, asker: Asker, server: ServerState, offer: Offer) -> ServerList:
        marks = self._marks_of(key, offer)
        made = self._took(key, server, offer, await self._fetch(asker, server, offer))
        made.stale = self._marks_of(key, offer) != marks  # it may have been read before what was said meanwhile
        return made

    def _marks_of(self, key: Key, offer: Offer) -> tuple[int, int]:
        return self._marks[key[0], None, offer.kind], self._marks[key[0], key[2], offer.kind]

    def heard_again(self, asker: Asker, server: ServerState, raw: bytes) -> bool:
        """Is a list of tools that came by at the server's own address the asker's latest one? Then it is fresh again.

        Args:
            raw: the array.
        """
        found = self._lists.get(self.key(asker, server, TOOLS))
        if found is None or found.heard != raw:
            return False
        found.at, found.stale = time.monotonic(), False
        return True

    def heard(self, asker: Asker, server: ServerState, raw: bytes, tells: Tells) -> None:
        """A list of tools came by that is another one: it is the asker's latest from now on.

        Raises:
            Unreadable: it is no list.
        """
        key = self.key(asker, server, TOOLS)
        self._took(key, server, TOOLS, Fetched(wire.items(raw), tells)).heard = raw

    def _took(self, key: Key, server: ServerState, offer: Offer, fetched: Fetched) -> ServerList:
        named = _each_once([(name, raw) for raw in fetched.raws if (name := _name_in(raw, offer)) is not None])
        if len(named) < len(fetched.raws):
            log.warning("items_passed_over", server=server.slug, method=offer.list_method, of=len(fetched.raws))
        before = self._lists.get(key)
        same = before is not None and [item.raw for item in before.items] == [raw for _, raw in named]
        version = before.version if before is not None and same else next(self._versions)
        hashes = [definition_of(raw).hash if offer is TOOLS else "" for _, raw in named]
        newest = key[3].endswith(NEWEST)
        items = [
            Item(name, raw, name, readable(raw, offer, newest=newest) or b"", name, raw, hash)
            for (name, raw), hash in zip(named, hashes, strict=True)
        ]
        made = name_items(server, ServerList(offer, items, time.monotonic(), version))
        self._lists[key] = made
        if not same:
            for name in made.by_name.keys() & made.given.values() - made.given.keys():
                log.warning("tool_name_taken", server=server.slug, tool=name, shown=made.by_name[name].shown)
            self._news[key[2]] += 1
            self.became_other(key[2])
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

    async def _gather(self, asker: Asker, servers: list[ServerState], offer: Offer) -> Had:
        """Lists of all servers; one that is down or late keeps its last list, or is left out, and delays no other."""
        had = Had({}, {}, {})
        waiting: dict[asyncio.Task[ServerList], ServerState] = {}
        for server in servers:
            found = self.cached(asker, server, offer)
            if found is not None and _fresh(found):
                had.lists[server.server_id] = found
            else:
                waiting[asyncio.create_task(self.listed(asker, server, offer, anew=True))] = server
        if not waiting:
            return had
        await asyncio.wait(waiting, timeout=self._deadline)
        for task, server in waiting.items():
            why = self._outcome(task, server)
            if not task.done():
                task.cancel()  # the shielded question goes on for whoever asks next
            if why and why not in OF_THE_USER:
                self.not_had(asker, server, offer)
            if (found := self.cached(asker, server, offer)) is None:
                had.missing[server.server_id] = why
                continue
            had.lists[server.server_id] = found
            if why:
                had.stale[server.server_id] = why
        return had

    def _outcome(self, task: "asyncio.Task[ServerList]", server: ServerState) -> str:
        """Why a list could not be had anew; '' when it could."""
        if not task.done():
            return "late"
        error = task.exception() if not task.cancelled() else UpstreamFailed("it was ended meanwhile")
        if isinstance(error, Answer):
            return error.reason
        if error is None:
            return ""
        if not isinstance(error, UpstreamFailed):
            log.error("list_failed", server=server.slug, exc_info=error)
        return "failed"

    def _hidden(self, asker: Asker, offer: Offer, at: datetime) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """(items, servers) by the reason that hides their server from the asker, as far as their lists are known.

        Counted once for what the facts say and the user's lists are: there may be hundreds of hidden servers.
        """
        principal = asker.principal
        standing = self.standing(asker)
        key = (principal.user_id, principal.key_id, asker.view, asker.protocol, offer.list_method)
        known = self._counts.get(key)
        if known is not None and known[0] == standing:
            return known[1], known[2]
        items: Counter[str] = Counter()
        servers: Counter[str] = Counter()
        for server_id, reason in self._model.reasons(principal, asker.view, at).items():
            if reason == "allowed":
                continue
            servers[reason] += 1
            if (found := self.cached(asker, self._model.servers[server_id], offer)) is not None:
                items[reason] += len(found.items)
        if len(self._counts) >= MOST_LISTS:
            self._counts.clear()
        self._counts[key] = (standing, items, servers)
        return items, servers

    # what may be seen of a list

    def shown(self, server: ServerState, found: ServerList) -> Iterable[tuple[Item, bytes]]:
        """What may be seen of it, each with its definition on the aggregate."""
        for item in current(server, found).items:
            if self._why_not(server, found, item) == "allowed":
                yield item, described(server, found.offer, item.name, item.exposed_raw)

    def unreadable(self, server: ServerState, found: ServerList) -> list[Item]:
        """What would be seen of it, were it as the specification has it."""
        return [item for item in found.items if self._why_not(server, found, item) == "unreadable"]

    def _why_not(self, server: ServerState, found: ServerList, item: Item) -> str:
        """Why it is not in a list of many servers; `allowed` when it is."""
        reason = self._model.offered(server, found.offer.kind, item.name, item.hash)
        return "unreadable" if reason == "allowed" and not item.exposed_raw else reason

    def position(self, server: ServerState) -> int:
        """Of the last fact that what is offered of the server may depend on."""
        book = self._model.tools.get(server.server_id)
        return server.changed_at if book is None else max(server.changed_at, book.changed_at)

    def _chunk(self, server: ServerState, found: ServerList) -> Chunk:
        """A server's part of the merged list; made once for what the facts say."""
        position = self.position(server)
        if found.chunk is None or found.chunk.position != position:
            raws = [raw for _, raw in self.shown(server, found)]
            why = {
                item.name: reason
                for item in (found.items if len(raws) < len(found.items) else ())
                if (reason := self._why_not(server, found, item)) != "allowed"
            }
            withheld = tuple(name for name, reason in why.items() if reason == "quarantined")
            found.chunk = Chunk(position, b",".join(raws), len(raws), Counter(why.values()), withheld)
        return found.chunk

    def as_one(self, server: ServerState, found: ServerList) -> OneTool | None:
        """A list of tools as one tool, of what may be seen of it; made once for what the facts say."""
        position = self.position(server)
        if found.as_one is None or found.as_one[0] != position:
            shown = [item for item, _ in self.shown(server, found)]
            inner = [
                inner_tool(item.shown, item.name, described(server, TOOLS, item.name, item.shown_raw)) for item in shown
            ]
            found.as_one = (position, one_tool(server, inner))
        return found.as_one[1]


OF_THE_USER = {"variables_missing", "variable_unusable"}  # reasons that time does not mend


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
            out.append((name, renamed(raw, offer, name)))
    return out


def _marked(item: Item, tells: Tells) -> Item:
    text = definition_of(item.raw).text
    if text is None or not tells(text.decode()):
        return item
    return replace(item, telling="name" if tells(item.name) else "text")


def _name_in(raw: bytes, offer: Offer) -> str | None:
    try:
        return wire.text(wire.members(raw), offer.naming) or None
    except wire.Unreadable:
        return None


def _each_once(named: Named) -> Named:
    """The first of each name: what comes under the same one again could not be called."""
    found: dict[str, bytes] = {}
    for name, raw in named:
        found.setdefault(name, raw)
    return list(found.items())


def _cursor(at: int, last: str, offer: Offer) -> str:
    """After the item of this name, which is the one at that place of the whole list."""
    return urlsafe_b64encode(f"{offer.list_method}:{at}:{last}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str, offer: Offer) -> tuple[int, str]:
    """
    Raises:
        BadParams: it is none that a page gave out.
    """
    try:
        method, at, last = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(":", 2)
    except ValueError:
        method = at = last = ""
    if method != offer.list_method or not DIGITS.fullmatch(at):
        raise BadParams("The cursor is not one that a page gave out; begin at the first page.")
    return int(at), last
