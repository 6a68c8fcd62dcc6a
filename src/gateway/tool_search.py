"""The meta-tools answered: search, description, servers, and which tool a call means.

What is searched is what the caller's own lists show by `decide`: a tool that is hidden from them is in no answer, no
count and no score, and what does not exist and what is hidden get one answer. Seeing a tool here permits nothing: a
call is decided when it comes.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Protocol
from uuid import UUID

import psycopg
import structlog
from msgspec import Raw, Struct
from msgspec.json import decode
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from mcphub.domain.access import AccessModel, Capability, Principal, View, decide, visible_servers
from mcphub.domain.entitlement import missing_values
from mcphub.domain.settings_state import ServerState
from mcphub.gateway import wire
from mcphub.gateway.arguments import Violation, violations
from mcphub.gateway.errors import Answer, CallRefused, UnknownName
from mcphub.gateway.exposure import search_on
from mcphub.gateway.kinds import TOOLS
from mcphub.gateway.meta_tools import (
    MOST_DESCRIBED,
    SCHEMAS,
    Asked,
    Summary,
    Wanted,
    answer,
    described,
    summary,
)
from mcphub.gateway.router import Gathered, Router
from mcphub.gateway.searchable import content_hash, document
from mcphub.gateway.server_calls import misfit
from mcphub.gateway.server_list import Item, ServerList
from mcphub.gateway.server_list import described as described_anew
from mcphub.gateway.session import Asker
from mcphub.gateway.traffic import Request
from mcphub.gateway.upstream.runtime import ServerStatus
from mcphub.search import index, many
from mcphub.search.document import weights
from mcphub.search.glossary import Glossary, known, terms
from mcphub.search.index import Found, Visible
from mcphub.search.many import Crowd
from mcphub.search.misses import Misses
from mcphub.search.vectors import Asked as AskedFor
from mcphub.search.vectors import State, Vectors
from mcphub.search.words import has_hangul

log = structlog.get_logger()

NEAREST = 3
LONGEST_ID = 200  # characters of an id that is looked for among others
REMEMBERED = 256  # askers whose searched tools are kept
MOST_OWN = 5000  # tools outside of the index whose terms are kept
UNSURE = "Nothing matches these words well. Rephrase as action + object + product, or call list_servers."


class Checks(Protocol):
    """Where arguments are checked (`gateway/checker.py`)."""

    async def violations(self, schema: bytes, arguments: bytes) -> list[Violation]: ...


class SearchState(Struct, frozen=True):
    """`model`: by whose vectors queries go; None while words alone count."""

    state: State
    why: str
    model: str | None
    tools: int
    vectors: int


class SearchParts(Struct, frozen=True):
    """What search stands on.

    Args:
        pool: connections whose search path is the schema `search`.
    """

    pool: AsyncConnectionPool[Any]
    vectors: Vectors
    glossary: Callable[[], Glossary]
    misses: Misses

    async def state(self) -> SearchState:
        vectors, model = self.vectors, self.vectors.model
        async with self.pool.connection() as db:
            tools, made = await index.counts(db, model)
        return SearchState(vectors.state, vectors.why, model.name if model is not None else None, tools, made)


class Among(Struct):
    """What one asker searches. `state` is of the lists it was made of; `crowd` is made when there is one."""

    state: object
    items: list[tuple[ServerState, Item, UUID]]
    visible: Visible
    crowd: Crowd | None = None


class Hits(Struct, frozen=True):
    """Tools, best first. `degraded`: by words alone, though meaning should have counted."""

    items: list[tuple[ServerState, Item]]
    sure: bool
    degraded: bool


class Meant(Struct, frozen=True):
    """The call that `call_tool` stands for."""

    server: ServerState
    tool: str
    params: bytes


class ToolSearch:
    """One for all sessions."""

    def __init__(
        self,
        parts: SearchParts,
        model: AccessModel,
        router: Router,
        status: Callable[[str], ServerStatus],
        checks: Checks,
    ) -> None:
        self.vectors = parts.vectors
        self._pool = parts.pool
        self._glossary = parts.glossary
        self._missed = parts.misses.note
        self._model = model
        self._router = router
        self._status = status
        self._checks = checks
        self._among: OrderedDict[tuple[Principal, View, str], Among] = OrderedDict()
        self._indexed: set[UUID] = set()
        self._own: OrderedDict[UUID, Mapping[str, float]] = OrderedDict()

    @property
    def on(self) -> bool:
        return search_on(self._model)

    def index_changed(self) -> None:
        """What is in the index is looked up again."""
        self._indexed.clear()
        self._among.clear()
        self._own.clear()

    async def told(self, asker: Asker, request: Request, name: str, params: wire.Members, at: datetime) -> bytes:
        """The result of search_tools, describe_tools or list_servers.

        Raises:
            CallRefused: the arguments do not fit.
        """
        given = bytes(params.get("arguments", Raw(b"{}"))) or b"{}"
        _must_fit(name, given)
        match name:
            case "search_tools":
                return await self._searched(asker, request, decode(given, type=Asked), at)
            case "describe_tools":
                return await self._described(asker, decode(given, type=Wanted), at)
        return await self._servers(asker, at)

    # search

    async def _searched(self, asker: Asker, request: Request, asked: Asked, at: datetime) -> bytes:
        hits = await self.find(asker, asked.query, asked.limit, at, server=asked.server)
        shown = [Summary(item.exposed, _seen(server, item)) for server, item in hits.items]
        found: dict[str, Any] = {
            "tools": [one.shown(schema=asked.detail == "schema") for one in shown],
            "confidence": "high" if hits.sure else "low",
        }
        if not hits.sure:
            found["hint"] = UNSURE
        if hits.degraded:
            found["degraded"] = True
        request.shown = len(shown)
        return answer(found)

    async def find(self, asker: Asker, query: str, most: int, at: datetime, *, server: str = "") -> Hits:
        """
        Args:
            server: only tools of it, by slug or name; one that is hidden is like one that does not exist.

        Raises:
            CallRefused: the index cannot be asked now.
        """
        gathered = await self._router.gather(asker, TOOLS, at)
        await asyncio.to_thread(known)  # read by the first search, which holds up nobody else
        glossary = self._glossary()
        wanted = terms(query, glossary)
        try:
            among = await self._searchable(asker, gathered, server)
            if not among.items:
                return Hits([], False, False)
            english = glossary.in_english(query)
            found, degraded = await self._found(query, english, wanted, among, most)
        except (psycopg.Error, PoolTimeout) as error:
            log.warning("search_failed", why=type(error).__name__)
            raise CallRefused("The search cannot answer right now; try again.", reason="search_unavailable") from None
        if has_hangul(query) and not glossary.translated(query):
            self._missed(query, "no_glossary")
        elif not found.sure:
            self._missed(query, "nothing_sure")
        best = [among.items[place] for place in found.places]
        return Hits([(server_, item) for server_, item, _ in best], found.sure, degraded)

    async def _found(
        self, query: str, english: str, wanted: Mapping[str, float], among: Among, most: int
    ) -> tuple[Found, bool]:
        """By words and meaning; (what was found, was it by words alone, though meaning should have counted?)"""
        vectors = self.vectors
        asked = await vectors.of_query(query, english)
        async with self._pool.connection() as db:
            if asked is not None:
                try:
                    found = await self._ranked(db, wanted, among, most, asked)
                    return found, vectors.state == "filling" and not vectors.complete
                except psycopg.Error as error:  # vectors of another length, or none at all: they are made again
                    log.warning("search_by_words_only", why=type(error).__name__)
                    vectors.ring()
            return await self._ranked(db, wanted, among, most), vectors.state != "off"

    async def _ranked(
        self,
        db: AsyncConnection[Any],
        wanted: Mapping[str, float],
        among: Among,
        most: int,
        asked: AskedFor | None = None,
    ) -> Found:
        """One by one, or, of very many, those that come into question."""
        vector, model, share = (asked.vector, asked.model, asked.share) if asked is not None else (None, 0, 0.6)
        tools = len(among.items)
        if tools > self.vectors.many and (asked is None or self.vectors.near(asked.model)):
            for _ in range(2):
                if among.crowd is None:
                    among.crowd = await many.crowd(db, among.visible)
                found = await many.find(db, wanted, among.crowd, tools, most, vector=vector, model=model, share=share)
                if found is not None:
                    return found
                among.crowd = None  # the catalog has changed since
        return await index.find(db, wanted, among.visible, most, vector=vector, model=model, share=share)

    async def _searchable(self, asker: Asker, gathered: Gathered, only: str) -> Among:
        """What the asker may see, as the index is asked for it; kept while their lists are the same."""
        lists = [(server, found) for server, found in gathered.lists if only in ("", server.slug, server.name)]
        place = (asker.principal, asker.view, only)
        state = [(server.server_id, found.version, self._router.position(server)) for server, found in lists]
        kept = self._among.get(place)
        if kept is not None and kept.state == state:
            self._among.move_to_end(place)
            return kept
        items = [(server, item, hash) for server, found in lists for item, hash in self._hashed(server, found)]
        own = await self._outside(items)
        among = Among(state, items, index.visible([hash for *_, hash in items], own))
        self._among[place] = among
        if len(self._among) > REMEMBERED:
            self._among.popitem(last=False)
        return among

    def _hashed(self, server: ServerState, found: ServerList) -> Sequence[tuple[Item, UUID]]:
        """What may be seen of a list; made once for what the facts say."""
        position = self._router.position(server)
        if found.searched is None or found.searched[0] != position:
            shown = [
                (item, content_hash(server, item.name, item.hash)) for item, _ in self._router.shown(server, found)
            ]
            found.searched = (position, shown)
        return found.searched[1]

    async def _outside(self, items: Sequence[tuple[ServerState, Item, UUID]]) -> list[tuple[UUID, Mapping[str, float]]]:
        """Terms of tools that are not in the index: not on the record yet, or not to be kept."""
        unsure = {hash: (server, item) for server, item, hash in items if hash not in self._indexed}
        if not unsure:
            return []
        async with self._pool.connection() as db:
            self._indexed |= await index.present(db, list(unsure))
        outside = {hash: each for hash, each in unsure.items() if hash not in self._indexed}
        new = {hash: each for hash, each in outside.items() if hash not in self._own}
        if new:
            self._own |= await asyncio.to_thread(_weighed, new)
        found = [(hash, self._own[hash]) for hash in outside]
        while len(self._own) > MOST_OWN:
            self._own.popitem(last=False)
        return found

    # description

    async def _described(self, asker: Asker, wanted: Wanted, at: datetime) -> bytes:
        tools, unknown = [], []
        for id in dict.fromkeys(wanted.tools[:MOST_DESCRIBED]):
            try:
                server, item = await self._router.find_tool(asker, id, at)
            except Answer:  # hidden, unknown, or of a server that cannot say
                unknown.append(id[:LONGEST_ID])
            else:
                tools.append(described(id, _seen(server, item)))
        return answer({"tools": tools, "notFound": unknown})

    # servers

    async def _servers(self, asker: Asker, at: datetime) -> bytes:
        gathered = await self._router.gather(asker, TOOLS, at)
        counts = {server.server_id: len(self._hashed(server, found)) for server, found in gathered.lists}
        shown = []
        for server in visible_servers(self._model, asker.principal, at, asker.view):
            missing = missing_values(self._model, asker.principal.user_id, server)
            state = self._status(server.server_id).state
            shown.append(
                {
                    "name": server.name,
                    "summary": summary(server.spec.description),
                    "tools": counts.get(server.server_id, 0),
                    "needsToken": bool(missing),
                    "status": "needs_setup" if missing else "disconnected" if state == "idle" else state,
                }
            )
        return answer({"servers": shown})

    # calls

    async def meant(self, asker: Asker, request: Request, params: wire.Members, at: datetime) -> Meant:
        """
        Args:
            request: gets the server and its own tool's name, as far as they are known.

        Raises:
            CallRefused: there is no such tool for this caller, or its arguments do not fit; nothing was sent.
            Answer: the server cannot say what it has.
        """
        given = bytes(params.get("arguments", Raw(b"{}"))) or b"{}"
        _must_fit("call_tool", _parsed(given))
        said = wire.members(_parsed(given))
        id, arguments = wire.text(said, "tool") or "", bytes(said.get("arguments", b"{}"))
        try:
            server, item = await self._router.find_tool(asker, id, at)
        except UnknownName as unknown:
            raise await self._unknown(asker, id, unknown.reason, at) from None
        request.server, request.tool = server.slug, item.name
        definition = _seen(server, item)
        schema = bytes(wire.members(definition).get("inputSchema", b""))
        if wrong := await self._checks.violations(schema, arguments):
            raise misfit(definition, wrong, f"The arguments do not fit the tool {id!r}")
        # Decided last: what was waited for may have taken time.
        own = Capability(server.server_id, "tools", item.name, item.hash)
        decision = decide(self._model, asker.principal, own, at, asker.view)
        if not decision.allowed:
            raise await self._unknown(asker, id, decision.reason, at)
        named: dict[str, Raw | bytes] = dict(params)
        named["name"], named["arguments"] = wire.encode(item.name), arguments
        return Meant(server, item.name, wire.joined(named))

    async def _unknown(self, asker: Asker, id: str, reason: str, at: datetime) -> CallRefused:
        """One answer for what does not exist and for what this caller may not use."""
        gathered = await self._router.gather(asker, TOOLS, at)
        ids = {
            item.exposed.lower(): item.exposed
            for server, found in gathered.lists
            for item, _ in self._hashed(server, found)
        }
        near = await asyncio.to_thread(get_close_matches, id[:LONGEST_ID].lower(), list(ids), NEAREST, 0.3)
        nearest = [ids[found] for found in near]
        hint = f" Did you mean {' or '.join(nearest)}?" if nearest else ""
        message = f"There is no tool {id[:LONGEST_ID]!r}.{hint} search_tools finds the ids."
        return CallRefused(message, reason=reason, denied=True, data={"nearest": nearest})


def _seen(server: ServerState, item: Item) -> bytes:
    """The definition as clients may see it."""
    return described_anew(server, TOOLS, item.name, item.exposed_raw)


def _must_fit(name: str, arguments: bytes) -> None:
    """
    Raises:
        CallRefused: the arguments of a meta-tool do not fit its schema.
    """
    if wrong := violations(SCHEMAS[name], arguments):
        raise misfit(b'{"inputSchema":%b}' % SCHEMAS[name], wrong, f"{name} was called wrongly")


def _parsed(given: bytes) -> bytes:
    """Models send the arguments of the tool as text now and then, or as null; both are read as what is meant."""
    try:
        said = wire.members(given)
    except wire.Unreadable:
        return given
    raw = bytes(said.get("arguments", b"{}"))
    if raw.startswith(b'"'):
        text = (wire.text(said, "arguments") or "").strip().encode()
        try:
            wire.members(text)
        except wire.Unreadable:
            return given
        raw = text
    elif raw == b"null":
        raw = b"{}"
    return wire.joined({**said, "arguments": raw}) if "arguments" in said else given


def _weighed(items: Mapping[UUID, tuple[ServerState, Item]]) -> dict[UUID, Mapping[str, float]]:
    return {hash: weights(document(server, item.name, item.raw)) for hash, (server, item) in items.items()}
