"""The role that makes vectors, and the vector of a query.

Nothing is loaded until it is first needed. A model takes over from another when it has a vector for every tool; until
then the other one answers, if it can still be asked, and otherwise words alone do.
"""

import asyncio
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Literal

import psycopg
import structlog
from msgspec import Struct
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from mcphub.search import index
from mcphub.search.embedder import Embedder, EmbedderInfo, EmbeddingFailed, UniversalSentenceEncoder
from mcphub.search.heap import give_back
from mcphub.search.index import Model
from mcphub.search.many import MANY, keep_neighbours

log = structlog.get_logger()

BATCH = 16  # texts embedded and stored together
REMEMBERED = 1024  # vectors of queries
WAIT_SECONDS = 1.5  # that a query waits for its vector, so that it is answered within two seconds all the same
PASSED_OVER_SECONDS = 5.0  # after a query waited in vain, others go by words alone at once
PAUSE_SECONDS = 5.0  # after an embedder that failed, doubled up to a minute
AGAIN_SECONDS = 60.0
PRUNE_SECONDS = 24 * 3600.0

State = Literal["off", "asleep", "loading", "filling", "ready", "failed"]


class Asked(Struct, frozen=True):
    """The vector of a query, the model it is of, and what share of the score it makes."""

    vector: Sequence[float]
    model: int
    share: float


class Loaded(Struct, frozen=True):
    embedder: Embedder
    info: EmbedderInfo
    model: Model


class Vectors:
    """
    Args:
        pool: connections whose search path is the schema `search`.
        make: the embedder that is configured; None for none.
        many: above so many vectors their neighbours are indexed.
    """

    def __init__(
        self, pool: AsyncConnectionPool[Any], make: Callable[[], Embedder | None], *, many: int = MANY
    ) -> None:
        self.many = many
        self.state: State = "asleep"
        self.why = ""  # it failed
        self.possible = True  # can the database keep vectors?
        self._pool = pool
        self._make = make
        self._wanted: Loaded | None = None
        self._serving: Loaded | None = None
        self._rung = asyncio.Event()
        self._awake = asyncio.Event()
        self._loaded = asyncio.Event()
        self._remake = False
        self._queries: OrderedDict[tuple[int, str], array[float]] = OrderedDict()
        self._pruned = 0.0
        self._passed_over = 0.0  # until then, monotonic seconds
        self._near: int | None = None  # the model whose neighbours are indexed

    def wake(self) -> None:
        """Search is needed: the model is loaded, and tools get their vectors."""
        self._awake.set()

    @property
    def awake(self) -> bool:
        return self._awake.is_set()

    def ring(self) -> None:
        """There may be tools without a vector."""
        self._rung.set()

    def configured_anew(self) -> None:
        """Another embedder is to be used from now on."""
        self._remake = True
        self._queries.clear()
        self._rung.set()

    @property
    def complete(self) -> bool:
        """Has every tool had a vector of the model that queries go by?"""
        return self._serving is not None and self._serving.model.active

    @property
    def model(self) -> Model | None:
        """Of the vectors that queries are compared with."""
        return self._serving.model if self._serving is not None else None

    def near(self, model: int) -> bool:
        """Are the neighbours of this model's vectors indexed?"""
        return self._near == model

    async def of_query(self, text: str, english: str) -> Asked | None:
        """None when there is none, or none in time; then words alone count.

        Args:
            english: the same, for a model that knows no other language.
        """
        self.wake()
        if time.monotonic() < self._passed_over:
            return None
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._loaded.wait()
                serving = self._serving
                if serving is None:
                    return None
                text = english if serving.info.english else text
                key = (serving.model.model_id, text)
                vector = self._queries.get(key)
                if vector is None:
                    # Four bytes a part: a list of floats would take eight times as much.
                    vector = array("f", await serving.embedder.embed_query(text))
                    self._queries[key] = vector
                    if len(self._queries) > REMEMBERED:
                        self._queries.popitem(last=False)
                else:
                    self._queries.move_to_end(key)
        except EmbeddingFailed as error:
            log.warning("query_without_vector", why=str(error))
            return None
        except TimeoutError:
            log.warning("query_without_vector", why="not in time", words_alone_s=PASSED_OVER_SECONDS)
            self._passed_over = time.monotonic() + PASSED_OVER_SECONDS
            return None
        if len(vector) != serving.model.dim:
            return None
        return Asked(vector, serving.model.model_id, serving.info.share)

    async def run(self) -> None:
        """For ever, from when it is first needed."""
        await self._awake.wait()
        pause = PAUSE_SECONDS
        while True:
            self._rung.clear()
            try:
                await self._round()
                pause = PAUSE_SECONDS
            except (EmbeddingFailed, psycopg.Error, PoolTimeout) as error:
                self.why = str(error) if isinstance(error, EmbeddingFailed) else type(error).__name__
                self.state = "failed"
                self._loaded.set()  # queries are not to wait for it
                log.warning("vectors_not_made", why=self.why, retry_in_s=pause)
                await self._wait(pause)
                pause = min(pause * 2, AGAIN_SECONDS)
            else:
                await self._wait(AGAIN_SECONDS)

    async def close(self) -> None:
        for loaded in {id(one): one for one in (self._wanted, self._serving) if one is not None}.values():
            await loaded.embedder.close()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            pass

    async def _round(self) -> None:
        """Loads what is configured, and makes every vector that is missing."""
        if self._remake or self._wanted is None:
            await self._load()
        wanted = self._wanted
        if wanted is None:
            return
        async with self._pool.connection() as db:
            if taken_out := await index.unusable(db, wanted.model):
                log.warning("vectors_unusable", model=wanted.info.id, taken_out=taken_out)
            if time.monotonic() - self._pruned > PRUNE_SECONDS:
                await index.prune_vectors(db)
                self._pruned = time.monotonic()
        filled = False
        while await self._fill(wanted):
            filled = True
            if self._remake:
                return
        if filled:
            await asyncio.to_thread(give_back)
        await self._takes_over(wanted)
        await self._index_neighbours(wanted.model)

    async def _index_neighbours(self, model: Model) -> None:
        """Without their index each vector is compared, which is slower and as good."""
        try:
            async with self._pool.connection() as db:
                self._near = model.model_id if await keep_neighbours(db, model, self.many) else None
        except psycopg.Error as error:
            self._near = None
            log.warning("neighbours_not_indexed", why=type(error).__name__)

    async def _load(self) -> None:
        self._remake = False
        self.state = "loading"
        made = self._make() if self.possible else None
        if made is None:
            await self._drop(self._wanted, self._serving)
            self.state, self._wanted, self._serving = "off", None, None
            self._loaded.set()
            return
        try:
            info = await made.start()
        except EmbeddingFailed:
            await made.close()
            raise
        async with self._pool.connection() as db:
            model = await index.model_of(db, info.id, info.dim)
            known = await index.models(db)
        before, self._wanted = self._wanted, Loaded(made, info, model)
        others = [one for one in known if one.active and one.model_id != model.model_id]
        if self._serving is None and others:
            self._serving = await self._still(others[0])
        elif not others:
            self._serving = self._wanted
        if before is not None and before is not self._serving:
            await self._drop(before)
        self.state, self.why = "filling", ""
        self._passed_over = 0.0
        self._loaded.set()

    async def _still(self, model: Model) -> Loaded | None:
        """The model that answered before a restart, when it can be had without being configured."""
        former = UniversalSentenceEncoder()
        if former.info.id != model.name:
            return None
        try:
            return Loaded(former, await former.start(), model)
        except EmbeddingFailed:
            return None

    async def _fill(self, wanted: Loaded) -> bool:
        """One batch; False when nothing is missing."""
        async with self._pool.connection() as db:
            missing = await index.without_vector(db, wanted.model, BATCH)
        if not missing:
            return False
        self.state = "filling"
        vectors = await wanted.embedder.embed_documents([text for _, text in missing])
        async with self._pool.connection() as db:
            await index.keep_vectors(
                db, wanted.model, [(hash, vector) for (hash, _), vector in zip(missing, vectors, strict=True)]
            )
        return True

    async def _takes_over(self, wanted: Loaded) -> None:
        """It has a vector of every tool: queries go by it, and what was kept of others goes."""
        before = self._serving
        async with self._pool.connection() as db:
            if not wanted.model.active:
                await index.activate(db, wanted.model)
                model = await index.model_of(db, wanted.info.id, wanted.info.dim)
                self._wanted = wanted = Loaded(wanted.embedder, wanted.info, model)
            self._serving = wanted
            await index.forget_others(db, wanted.model)
        if before is not None and before.embedder is not wanted.embedder:
            log.info("embedding_model_taken_over", model=wanted.info.id)
            await self._drop(before)
        self.state = "ready"

    async def _drop(self, *each: Loaded | None) -> None:
        for loaded in {id(one): one for one in each if one is not None}.values():
            await loaded.embedder.close()
