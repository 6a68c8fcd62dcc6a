"""What words of a query mean in the words of tools: Korean stems in English, English words and phrases in others.

The English that tools are described in is what a Korean query lacks; its words are put beside it. A stem is looked for
as it stands, longest first, so no particle hides it and no dictionary is needed. English is looked for word by word,
the longest phrase first, by the stems of its words: "got rid of" is one meaning and not three words.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files

from msgspec import Struct

from mcphub.search.words import HANGUL, STOP_WORDS, has_hangul, plain, stem, words

FIRST, FURTHER = 1.0, 0.6  # weight of the first word that Korean means, and of its others
SYNONYM = 0.6  # of what an English word means, as the word itself counts as well
PHRASE = 1.0  # of what several words mean together
IN_PHRASE = 0.3  # of these words themselves: "get" in "get rid of" is no getting
LANGUAGES = ("ko", "en")

LATIN = re.compile(r"[A-Za-z0-9]+")
PARTICLES = frozenset("along aside away back down forward off on out over together up".split())
MOST_BETWEEN = 4  # words between a verb and its particle: "call tomorrow's meeting off"

Entries = Mapping[str, Mapping[str, str]]  # language → word → English


class Glossary(Struct, frozen=True):
    """
    Args:
        ko: Korean stem → English words, the most telling first.
        en: English word or phrase → other words for it.
        stems: the same by the stems of its words.
        longest_ko, longest_en: characters of the longest Korean stem, words of the longest English phrase.
    """

    ko: Mapping[str, str]
    en: Mapping[str, str]
    stems: Mapping[str, str]
    longest_ko: int
    longest_en: int

    def translated(self, query: str) -> list[str]:
        """English for the stems in a query, in its order; nothing for one without Hangul."""
        text = plain(query).lower()
        if not has_hangul(text):
            return []
        found, at = [], 0
        while at < len(text):
            known = self._stem_at(text, at)
            if known:
                found.append(self.ko[known])
            at += len(known) or 1
        return found

    def in_english(self, query: str) -> str:
        """A query as a model without Korean takes it: what its stems mean, and its Latin words."""
        if not has_hangul(query):
            return query
        return " ".join([*self.translated(query), *LATIN.findall(plain(query))]) or query

    def explained(self, query: str) -> Iterator[tuple[Sequence[str], str]]:
        """(English words of the query, other words for what they mean together), in its order."""
        said = _latin(query)
        taken: set[int] = set()
        at = 0
        while at < len(said):
            places = () if at in taken else self._phrase_at(said, at, taken)
            if places:
                phrase = [said[place] for place in places]
                yield phrase, self._other_words(phrase)
                taken.update(places)
            at += 1

    def _stem_at(self, text: str, at: int) -> str:
        """The longest stem that begins there. One of a single syllable has to begin a word; Latin letters at its ends
        are whole words: "pr" is not in "project".
        """
        for length in range(min(self.longest_ko, len(text) - at), 0, -1):
            known = text[at : at + length]
            begins = length > 1 or not HANGUL.match(text[at - 1 : at])
            if known in self.ko and begins and not _in_latin(text, at) and not _in_latin(text, at + length):
                return known
        return ""

    def _phrase_at(self, said: Sequence[str], at: int, taken: set[int]) -> Sequence[int]:
        """Places of the longest phrase that begins there, else of a verb and its particle, else of the word alone."""
        for length in range(min(self.longest_en, len(said) - at), 1, -1):
            places = range(at, at + length)
            if taken.isdisjoint(places) and self._other_words(said[at : at + length]):
                return places
        verb = said[at] not in STOP_WORDS
        for behind in range(at + 2, min(at + 2 + MOST_BETWEEN, len(said)) if verb else 0):
            if said[behind] in PARTICLES and behind not in taken and self._other_words([said[at], said[behind]]):
                return at, behind
        return (at,) if self._other_words([said[at]]) else ()

    def _other_words(self, phrase: Sequence[str]) -> str:
        """'' for none. As it was written first, so that "news" is not "new"."""
        return self.en.get(" ".join(phrase)) or self.stems.get(" ".join(map(stem, phrase)), "")


def made_of(*each: Entries) -> Glossary:
    """One of several, later ones winning; a word without a meaning is taken out."""
    ko: dict[str, str] = {}
    en: dict[str, str] = {}
    for entries in each:
        ko |= {plain(word).lower().strip(): meaning for word, meaning in entries.get("ko", {}).items()}
        en |= {" ".join(_latin(phrase)): meaning for phrase, meaning in entries.get("en", {}).items()}
    ko = {word: meaning for word, meaning in ko.items() if word and meaning}
    en = {phrase: meaning for phrase, meaning in en.items() if phrase and meaning}
    stems: dict[str, str] = {}
    for phrase, meaning in en.items():
        stems.setdefault(" ".join(map(stem, phrase.split())), meaning)
    longest = max((phrase.count(" ") + 1 for phrase in en), default=0)
    return Glossary(ko, en, stems, max(map(len, ko), default=0), longest)


@cache
def built_in() -> Entries:
    """What every hub knows."""
    folder = files("mcphub.search") / "meanings"
    return {language: read((folder / f"{language}.txt").read_text("utf-8")) for language in LANGUAGES}


@cache
def known() -> Glossary:
    """The same, to look words up in. Takes a tenth of a second of a core, once."""
    return made_of(built_in())


def read(text: str) -> dict[str, str]:
    """Word → meaning, of lines `meaning: word, word, …`; the files say more."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            meaning, _, said = line.partition(": ")
            found |= dict.fromkeys(said.split(", "), meaning)
    return found


def terms(query: str, glossary: Glossary) -> dict[str, float]:
    """Term → weight: the words of the query, what they mean, and what its Korean means; the larger weight counts."""
    found: dict[str, float] = {}

    def add(text: str, first: float, further: float) -> None:
        for number, term in enumerate(words(text)):
            weight = further if number else first
            found[term] = max(found.get(term, 0.0), weight)

    explained = list(glossary.explained(query))
    in_phrase = {stem(word) for phrase, _ in explained if len(phrase) > 1 for word in phrase if word not in STOP_WORDS}
    for term in words(query):
        found[term] = IN_PHRASE if term in in_phrase else 1.0
    for phrase, meaning in explained:
        weight = PHRASE if len(phrase) > 1 else SYNONYM
        add(meaning, weight, weight)
    for meaning in glossary.translated(query):
        add(meaning, FIRST, FURTHER)
    return found


def _latin(text: str) -> list[str]:
    return LATIN.findall(plain(text).lower())


def _in_latin(text: str, at: int) -> bool:
    """Is the place between two Latin letters?"""
    return 0 < at < len(text) and LATIN.fullmatch(text[at - 1 : at + 1]) is not None
