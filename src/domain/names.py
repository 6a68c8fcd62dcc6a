"""Names that last: the slug of a server and the names its tools have on the aggregate.

Both are the same after every restart and on every node, because they depend on nothing but what they are made of.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from hashlib import sha256

MOST_SLUG = 24
MOST_EXPOSED = 48  # characters; an IDE's own prefix has to fit before it
SEPARATOR = "__"
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")

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


def good_slug(slug: str) -> bool:
    """Could an administrator write this as `mcphub.slug`?"""
    return len(slug) <= MOST_SLUG and SLUG.fullmatch(slug) is not None


def exposed_name(slug: str, name: str) -> str:
    """A tool on the aggregate: `{slug}__{tool}`, other characters as `_`, cut and marked with a hash when too long."""
    plain = _plain(slug, name)
    return plain if len(plain) <= MOST_EXPOSED else hashed_name(slug, name)


def hashed_name(slug: str, name: str, digits: int = 6) -> str:
    """The form that does not collide: head, `_`, and the first hex digits of the full name's hash."""
    digest = sha256(f"{slug}{SEPARATOR}{name}".encode()).hexdigest()[:digits]
    return f"{_plain(slug, name)[: MOST_EXPOSED - 1 - digits]}_{digest}"


def tool_map(slug: str, names: Iterable[str]) -> dict[str, str]:
    """{exposed name: upstream name} for all tools of one server, whatever order the upstream lists them in.

    A tool whose name needs no change keeps it; of two that would look alike each changed one gets the hash.
    Names of different servers never meet, because a slug holds no `_`.
    """
    made: dict[str, str] = {}
    changed: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        exposed = exposed_name(slug, name)
        if exposed == f"{slug}{SEPARATOR}{name}":
            made[exposed] = name
        else:
            changed.setdefault(exposed, []).append(name)
    for exposed, alike in changed.items():
        if len(alike) == 1 and exposed not in made:
            made[exposed] = alike[0]
            continue
        for name in alike:
            made[next(found for found in _hashed(slug, name) if found not in made and found not in changed)] = name
    return made


def _hashed(slug: str, name: str) -> Iterator[str]:
    """Longer and longer hashes, for the case that a tool is literally named like another's short one."""
    return (hashed_name(slug, name, digits) for digits in range(6, 41, 2))


def _plain(slug: str, name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"{slug}{SEPARATOR}{name}")
