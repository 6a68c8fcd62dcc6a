"""Names that last: the slug of a server and the names its tools have on the aggregate.

Both are the same after every restart and on every node, because they depend on nothing but what they are made of.
"""

import re
import unicodedata
from collections.abc import Collection
from hashlib import sha256

MOST_SLUG = 24
MOST_EXPOSED = 48  # characters; an IDE's own prefix has to fit before it
SEPARATOR = "__"

INITIALS = "g kk n d tt r m b pp s ss . j jj ch k t p h".split()
VOWELS = "a ae ya yae eo e yeo ye o wa wae oe yo u wo we wi yu eu ui i".split()
FINALS = ". k kk ks n nj nh t l lk lm lb ls lt lp lh m p ps t t ng t t k t p t".split()


def slug_for(name: str, taken: Collection[str], wanted: str | None = None) -> str:
    """`GitHub PR MCP (ACA)` → `github-pr-mcp-aca`, `지라` → `jira`; a taken one gets four digits of the name's hash."""
    slug = reduced(wanted or name)
    if not slug:
        slug = "s" + sha256(name.encode()).hexdigest()[:6]
    if slug not in taken:
        return slug
    digest = sha256(name.encode()).hexdigest()
    for start in range(0, len(digest) - 4, 4):
        candidate = f"{slug[:19].rstrip('-')}-{digest[start : start + 4]}"
        if candidate not in taken:
            return candidate
    raise ValueError(f"no slug is left for {name!r}")


def reduced(name: str) -> str:
    """Lower case letters and digits, Hangul letter by letter, everything else one `-`; at most 24 characters."""
    text = "".join(romanised(char) for char in unicodedata.normalize("NFC", name).lower())
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")[:MOST_SLUG].strip("-")


def romanised(char: str) -> str:
    """A Hangul syllable in Latin letters, without the sound changes of speech; other characters unchanged."""
    index = ord(char) - 0xAC00
    if not 0 <= index < 11172:
        return char
    parts = INITIALS[index // 588], VOWELS[index % 588 // 28], FINALS[index % 28]
    return "".join(part for part in parts if part != ".")


def exposed_name(slug: str, name: str) -> str:
    """A tool on the aggregate: `{slug}__{name}`, cut and marked with a hash when too long or spelled oddly."""
    full = f"{slug}{SEPARATOR}{name}"
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", full)
    if plain == full and len(full) <= MOST_EXPOSED:
        return full
    return hashed_name(slug, name)


def hashed_name(slug: str, name: str) -> str:
    """The long form, which does not collide: head, `_`, six digits of the full name's hash."""
    full = f"{slug}{SEPARATOR}{name}"
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", full)
    return f"{plain[: MOST_EXPOSED - 7]}_{sha256(full.encode()).hexdigest()[:6]}"
