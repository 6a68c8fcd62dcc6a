"""What words of a query mean in the words of tools: Korean stems in English, English words in others.

The English that tools are described in is what a Korean query lacks; its words are put beside it. A stem is looked for
as it stands, longest first, so no particle hides it and no dictionary is needed.
"""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from msgspec import Struct, json

from mcphub.search.words import HANGUL, has_hangul, plain, words

FIRST, FURTHER, SYNONYM = 1.0, 0.6, 0.4  # weight of a meaning's first word, of its others, and of a synonym
LANGUAGES = ("ko", "en")

LATIN = re.compile(r"[A-Za-z0-9]+")

Entries = Mapping[str, Mapping[str, str]]  # language → word → English


class Glossary(Struct, frozen=True):
    """
    Args:
        ko: Korean stem → English words, the most telling first.
        en: English word → other words for it.
        longest: characters of the longest stem.
    """

    ko: Mapping[str, str]
    en: Mapping[str, str]
    longest: int

    def translated(self, query: str) -> list[str]:
        """English for the stems in a query, in its order; nothing for one without Hangul."""
        text = plain(query).lower()
        if not has_hangul(text):
            return []
        found, at = [], 0
        while at < len(text):
            stem = self._stem_at(text, at)
            if stem:
                found.append(self.ko[stem])
            at += len(stem) or 1
        return found

    def in_english(self, query: str) -> str:
        """A query as a model without Korean takes it: what its stems mean, and its Latin words."""
        if not has_hangul(query):
            return query
        return " ".join([*self.translated(query), *LATIN.findall(plain(query))]) or query

    def _stem_at(self, text: str, at: int) -> str:
        """The longest stem that begins there. One of a single syllable has to begin a word."""
        for length in range(min(self.longest, len(text) - at), 0, -1):
            stem = text[at : at + length]
            if stem in self.ko and (length > 1 or at == 0 or not HANGUL.match(text[at - 1])):
                return stem
        return ""


def made_of(*each: Entries) -> Glossary:
    """One of several, later ones winning; a word without a meaning is taken out."""
    ko: dict[str, str] = {}
    en: dict[str, str] = {}
    for entries in each:
        ko |= {plain(stem).lower().strip(): meaning for stem, meaning in entries.get("ko", {}).items()}
        en |= {plain(word).lower().strip(): meaning for word, meaning in entries.get("en", {}).items()}
    ko = {stem: meaning for stem, meaning in ko.items() if stem and meaning}
    en = {word: meaning for word, meaning in en.items() if word and meaning}
    return Glossary(ko, en, max(map(len, ko), default=0))


@cache
def built_in() -> Entries:
    """What every hub knows."""
    return json.decode(files("mcphub.search").joinpath("glossary.json").read_bytes(), type=dict[str, dict[str, str]])


def terms(query: str, glossary: Glossary) -> dict[str, float]:
    """Term → weight: the words of the query, their synonyms, and what its Korean means; the larger weight counts."""
    found: dict[str, float] = {}

    def add(text: str, first: float, further: float) -> None:
        for number, term in enumerate(words(text)):
            weight = further if number else first
            found[term] = max(found.get(term, 0.0), weight)

    add(query, 1.0, 1.0)
    for word in plain(query).lower().replace("?", " ").replace(",", " ").split():
        if word in glossary.en:
            add(glossary.en[word], SYNONYM, SYNONYM)
    for meaning in glossary.translated(query):
        add(meaning, FIRST, FURTHER)
    return found
