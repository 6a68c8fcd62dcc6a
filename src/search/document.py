"""What is indexed of a tool: its words with their weights, and the text that is embedded.

BM25F with the average lengths fixed, so that the weights follow from the document alone: they can be made anywhere, and
a document that comes or goes changes no other.
"""

from collections import Counter
from collections.abc import Sequence
from heapq import nlargest

from msgspec import Struct

from mcphub.search.words import clean, first, split, words

RECIPE = 1  # raise when anything below gives other weights or texts: everything is indexed anew
K1 = 1.2
B = 0.5
MOST_DESCRIPTION = 300  # characters that are indexed
MOST_EMBEDDED = 160
MOST_TERMS = 400


class Field(Struct, frozen=True):
    """`usual` is the average length in words, of 1,776 tools of 54 servers."""

    weight: float
    usual: float


FIELDS = {
    "server": Field(2.0, 1.3),
    "name": Field(3.0, 2.9),
    "title": Field(1.0, 1.8),
    "description": Field(1.0, 17.0),
    "arguments": Field(0.3, 7.7),
    "aliases": Field(1.0, 4.0),
}


class Document(Struct, frozen=True):
    """A tool as it is searched for.

    Args:
        server, name: as people see them.
        arguments: names of its parameters.
        aliases: other words for it, an administrator's, in any language.
    """

    server: str
    name: str
    title: str = ""
    description: str = ""
    arguments: Sequence[str] = ()
    aliases: str = ""

    @property
    def embedded(self) -> str:
        """The text whose vector stands for the tool."""
        return f"{split(self.server)} {split(self.name)}: {first(clean(self.description), MOST_EMBEDDED)}"


def weights(document: Document) -> dict[str, float]:
    """Term → its weight in the document, between 0 and K1 + 1; without the rarity of the term."""
    texts = {
        "server": split(document.server),
        "name": split(document.name),
        "title": split(document.title),
        "description": split(first(clean(document.description), MOST_DESCRIPTION)),
        "arguments": split(" ".join(document.arguments)),
        "aliases": split(document.aliases),
    }
    sums: dict[str, float] = {}
    for name, field in FIELDS.items():
        found = Counter(words(texts[name]))
        usual = 1 - B + B * found.total() / field.usual
        for term, times in found.items():
            sums[term] = sums.get(term, 0.0) + field.weight * times / usual
    heaviest = nlargest(MOST_TERMS, sums.items(), key=lambda one: one[1])
    return {term: x * (K1 + 1) / (x + K1) for term, x in heaviest}
