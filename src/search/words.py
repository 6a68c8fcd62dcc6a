"""Texts as the index and the queries see them: names taken apart, descriptions cleaned, words stemmed.

Hangul is indexed as pairs of syllables, which finds a word whatever particle is behind it; there is no dictionary.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from threading import Lock

import snowballstemmer

SMALL_THEN_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
SEPARATORS = re.compile(r"[_\-./:]")
FENCED = re.compile(r"```.*?(```|\Z)", re.S)
ADDRESS = re.compile(r"https?://\S+")
MARKS = re.compile(r"[#*`>|]")
WORD = re.compile(r"[a-z0-9]+|[\uac00-\ud7a3]+")
HANGUL = re.compile(r"[\uac00-\ud7a3]")
NO_CONTROLS = dict.fromkeys((*range(32), 127), " ")
LEAST_CUT = 80  # characters: a sentence that ends earlier says too little
STOP_WORDS = frozenset(
    "a about all am an and any are as at be been but by can could did do does for from had has have he her here him his"
    " how i if in into is it its just me my no not of off on one or our out please she so some than that the their them"
    " then there these they this those to up us use used using via was we were what when where will with would you"
    " your s t d m ll re ve".split()
)

_stemmer = snowballstemmer.stemmer("english")
_stemming = Lock()  # it keeps the word it is at


def split(name: str) -> str:
    """`createIssue`, `create_issue` → `create Issue`, `create issue`."""
    return SEPARATORS.sub(" ", SMALL_THEN_CAPITAL.sub(" ", plain(name)))


def clean(text: str) -> str:
    """One line without code, addresses, marks of formatting and control characters."""
    return " ".join(MARKS.sub(" ", ADDRESS.sub(" ", FENCED.sub(" ", plain(text)))).split())


def first(text: str, most: int) -> str:
    """At most so many characters, cut behind a sentence if one ends late enough, else behind a word."""
    if len(text) <= most:
        return text
    head = text[:most]
    end = max(head.rfind(". "), head.rfind("; "))
    if end <= LEAST_CUT:
        end = head.rfind(" ") - 1
    return head[: end + 1] if end > 0 else head


def plain(text: str) -> str:
    """Composed (NFC), and without control characters."""
    if text.isascii():
        return text.translate(NO_CONTROLS)
    composed = unicodedata.normalize("NFC", text)
    return "".join(char if unicodedata.category(char)[0] != "C" else " " for char in composed)


def words(text: str) -> Iterator[str]:
    """The terms of a text in its order: stems of English words, pairs of Hangul syllables."""
    for found in WORD.findall(plain(text).lower()):
        if HANGUL.match(found):
            yield from (found[at : at + 2] for at in range(max(len(found) - 1, 1)))
        elif found not in STOP_WORDS:
            yield stem(found)


@lru_cache(20_000)
def stem(word: str) -> str:
    with _stemming:
        return str(_stemmer.stemWord(word))


def has_hangul(text: str) -> bool:
    return HANGUL.search(unicodedata.normalize("NFC", text)) is not None
