"""OpenAPI documents of servers: read once for all who use them, again after a while, the last good one kept meanwhile.

A document is asked for without anybody's credentials: its address may belong to somebody else than the service.
"""

import asyncio
import time
from hashlib import sha256
from typing import Any

import structlog
from msgspec import Struct
from multidict import CIMultiDict

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway.upstream.clock import Clock
from mcphub.gateway.upstream.openapi_document import ApiDocument, described
from mcphub.gateway.upstream.openapi_schema import Unsupported
from mcphub.gateway.upstream.openapi_text import read
from mcphub.gateway.upstream.runtime import UpstreamBroken, UpstreamFailed, UpstreamTimeout, UpstreamUnreachable
from mcphub.gateway.upstream.transport import Transports, url_of

log = structlog.get_logger()

FRESH_SECONDS = 3600.0
AGAIN_SECONDS = 60.0  # after a failure to read it again
FETCH_SECONDS = 30.0
MOST_DOCUMENT = 16 * 1024 * 1024  # bytes
MOST_DOCUMENTS = 256
LARGE = 64 * 1024  # bytes; parsing more than that would hold everybody up
LEFT_OUT_SHOWN = 10

Place = tuple[str, str] | None  # (where, name) of a parameter the hub fills in itself
Key = tuple[str, str, str, Place]  # server, transport digest, digest of the address or '', place


class Kept(Struct):
    document: ApiDocument
    until: float  # monotonic
    stale: bool = False  # somebody knows better: whoever comes waits for the new one


class Documents:
    """Of all servers of a pool."""

    def __init__(self, transports: Transports, agent: str) -> None:
        self._transports = transports
        self._agent = agent
        self._kept: dict[Key, Kept] = {}
        self._reading: dict[Key, asyncio.Task[ApiDocument]] = {}

    async def of(self, spec: ServerSpec, injected: Injected, filled_in: Place) -> ApiDocument:
        """
        Raises:
            UpstreamFailed: it cannot be had, and there is no older one.
        """
        key = _key(spec, injected, filled_in)
        kept = self._kept.get(key)
        if kept is not None and not kept.stale and time.monotonic() < kept.until:
            return kept.document
        task = self._reading.get(key)
        if task is None:
            task = self._reading[key] = asyncio.create_task(self._read(key, spec, injected), name=f"spec-{spec.slug}")
            task.add_done_callback(lambda done: self._read_all(key, done))
        return kept.document if kept is not None and not kept.stale else await asyncio.shield(task)

    async def anew(self, spec: ServerSpec, injected: Injected, filled_in: Place) -> ApiDocument:
        """As it is now, whatever is kept.

        Raises:
            UpstreamFailed: it cannot be had.
        """
        document = await self._parsed(spec, injected, filled_in)
        self._keep(_key(spec, injected, filled_in), Kept(document, time.monotonic() + FRESH_SECONDS))
        return document

    def stale(self, server_id: str) -> None:
        """The next use reads it again."""
        for key, kept in self._kept.items():
            if key[0] == server_id:
                kept.stale = True

    async def close(self) -> None:
        tasks = list(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _read_all(self, key: Key, task: "asyncio.Task[ApiDocument]") -> None:
        del self._reading[key]
        if not task.cancelled():
            task.exception()  # whoever waits is told; with nobody there, nobody needs to be

    async def _read(self, key: Key, spec: ServerSpec, injected: Injected) -> ApiDocument:
        kept = self._kept.get(key)
        try:
            document = await self._parsed(spec, injected, key[3])
        except UpstreamFailed as error:
            if kept is None:
                raise
            log.warning("openapi_document_kept", server=spec.slug, why=str(error))
            self._keep(key, Kept(kept.document, time.monotonic() + AGAIN_SECONDS))
            return kept.document
        if document.left_out:
            shown = dict(list(document.left_out.items())[:LEFT_OUT_SHOWN])
            log.warning("openapi_operations_left_out", server=spec.slug, many=len(document.left_out), why=shown)
        self._keep(key, Kept(document, time.monotonic() + FRESH_SECONDS))
        return document

    def _keep(self, key: Key, kept: Kept) -> None:
        """The newest last; the oldest make room, those of former configurations first among them."""
        for old in [old for old in self._kept if old[0] == key[0] and old[1] != key[1]]:
            del self._kept[old]
        self._kept.pop(key, None)
        self._kept[key] = kept
        while len(self._kept) > MOST_DOCUMENTS:
            del self._kept[next(iter(self._kept))]

    async def _parsed(self, spec: ServerSpec, injected: Injected, filled_in: Place) -> ApiDocument:
        url = str(injected.openapi.get("url", ""))
        if not url:
            schema = injected.openapi.get("schema")
            return await asyncio.to_thread(_described, schema if isinstance(schema, dict) else {}, "", filled_in)
        text = await self._fetched(spec, url)
        if len(text) > LARGE:
            return await asyncio.to_thread(_described, text, url, filled_in)
        return _described(text, url, filled_in)

    async def _fetched(self, spec: ServerSpec, url: str) -> bytes:
        headers = CIMultiDict({"User-Agent": self._agent, "Accept": "application/json, application/yaml, */*;q=0.5"})
        headers["Accept-Encoding"] = "identity"
        try:
            with Clock(FETCH_SECONDS, FETCH_SECONDS, False):
                response = await self._transports.for_server(spec).send("GET", url_of(url), headers, None)
                if response.status != 200:
                    response.close()
                    why = f"its OpenAPI document answers HTTP {response.status}"
                    raise UpstreamUnreachable(why, sent=False) if response.status >= 500 else UpstreamBroken(why)
                return await response.read(MOST_DOCUMENT)
        except UpstreamTimeout:
            raise UpstreamUnreachable(
                f"its OpenAPI document did not come within {FETCH_SECONDS:g} s", sent=False
            ) from None
        except UpstreamUnreachable as error:
            raise UpstreamUnreachable(str(error), sent=False) from None


def _key(spec: ServerSpec, injected: Injected, filled_in: Place) -> Key:
    url = str(injected.openapi.get("url", ""))  # may hold a user's value, which must not outlive the runtime here
    return (spec.server_id, spec.transport_digest, sha256(url.encode()).hexdigest() if url else "", filled_in)


def _described(document: Any, at: str, filled_in: Place) -> ApiDocument:
    """
    Raises:
        UpstreamBroken: it is none this hub can use.
    """
    try:
        value = read(document) if isinstance(document, bytes) else document
        return described(value, at=at, hidden=filled_in)
    except Unsupported as error:
        raise UpstreamBroken(f"its OpenAPI document cannot be used: {error}") from None
