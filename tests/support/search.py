"""What search stands on in tests: the index on a test's database, and an embedder that knows a few words."""

import math
from contextlib import asynccontextmanager

from mcphub.gateway.glossaries import Glossaries
from mcphub.gateway.searchable import content_hash, document
from mcphub.gateway.tool_search import SearchParts
from mcphub.postgres.pool import read_pool
from mcphub.search import index, tables
from mcphub.search.embedder import EmbedderInfo, EmbeddingFailed
from mcphub.search.many import MANY
from mcphub.search.misses import Misses
from mcphub.search.vectors import Vectors


class FewWords:
    """Texts mean what words of `meanings` stand in them; a dimension for each meaning and one for everything else.

    Args:
        meanings: word → number of its dimension.
    """

    def __init__(self, meanings, *, id="few-words", dim=4):
        self.meanings = meanings
        self.info = EmbedderInfo(id, dim)
        self.failing = ""
        self.asked = []
        self.closed = False

    async def start(self):
        if self.failing:
            raise EmbeddingFailed(self.failing)
        return self.info

    async def embed_documents(self, texts):
        return [self._vector(text) for text in texts]

    async def embed_query(self, text):
        self.asked.append(text)
        if self.failing:
            raise EmbeddingFailed(self.failing)
        return self._vector(text)

    async def close(self):
        self.closed = True

    def _vector(self, text):
        vector = [0.0] * self.info.dim
        vector[-1] = 0.1
        for word, place in self.meanings.items():
            if word in text.lower():
                vector[place] = 1.0
        length = math.hypot(*vector)
        return [part / length for part in vector]


@asynccontextmanager
async def index_on(dsn):
    """A pool on a database whose schema `search` is made."""
    async with read_pool(dsn, search_path="search, public", name="test-search") as pool:
        async with pool.connection() as db:
            await tables.ensure(db)
        yield pool


def parts_of(pool, make=lambda: None, *, many=MANY):
    """What a gateway is given, as a function of the access model."""
    return lambda model: SearchParts(pool, Vectors(pool, make, many=many), Glossaries(model), Misses(pool))


async def put_in(pool, server, definitions):
    """Definitions of a server's tools into the index, as the role that keeps it would put them."""
    entries = [
        index.entry(content_hash(server, name, hash), server.server_id, name, hash, document(server, name, raw))
        for name, hash, raw in definitions
    ]
    async with pool.connection() as db:
        await index.add(db, entries)
