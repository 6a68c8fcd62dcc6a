"""Names that last: the slug of a server and the names its tools have on the aggregate.

Both are the same after every restart and on every node, because they depend on nothing but what they are made of.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from hashlib import sha256

MOST_SLUG = 24
MOST_EXPOSED = 48  # characters; an IDE's own prefix has to fit before it
MOST_GIVEN = 64  # characters of the name an administrator gives to a tool; beside a slug it may have to be cut
SEPARATOR = "__"
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
DIGITS = range(
    6, 41, 2
)  # of a hash: longer and longer ones, for a tool that is literally named like another's short one
NONE_GIVEN: Mapping[str, str] = {}

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
    return f"{_plain(slug, name)[: MOST_EXPOSED - 1 - digits]}_{_digest(slug, name, digits)}"


def tool_map(slug: str, names: Iterable[str], given: Mapping[str, str] = NONE_GIVEN) -> dict[str, str]:
    """{exposed name: upstream name} for all tools of one server, whatever order the upstream lists them in.

    A tool whose name needs no change keeps it; of two that would look alike each changed one gets the hash.
    Names of different servers never meet, because a slug holds no `_`.

    Args:
        given: tool → the name an administrator gave it. That stays its own, even while the upstream does not list it:
            a newcomer of that name gets the hash. No other tool's name depends on it.
    """
    names = set(names)
    own = _own_map(slug, names | given.keys())
    if not given:
        return own
    made: dict[str, str] = {}
    for name in sorted(given):
        its = given[name]
        made[_free((exposed_name(slug, its), *_hashed(slug, its)), made)] = name
    for exposed, name in own.items():
        if name not in given:
            made[exposed if exposed not in made else _free(_hashed(slug, name), own, made)] = name
    return {exposed: name for exposed, name in made.items() if name in names}


def shown_names(slug: str, names: Iterable[str], given: Mapping[str, str]) -> dict[str, str]:
    """{upstream name: name at the server's own address}: the given one, else its own; a newcomer with a given name of
    another tool gets the hash, as on the aggregate.
    """
    names = set(names)
    taken = set(given.values())
    shown = {name: given.get(name, name) for name in names}
    for name in sorted(taken & names - given.keys()):
        hashed = (f"{name[: MOST_GIVEN - 1 - digits]}_{_digest(slug, name, digits)}" for digits in DIGITS)
        shown[name] = _free(hashed, names, taken)
        taken.add(shown[name])
    return shown


def _own_map(slug: str, names: Collection[str]) -> dict[str, str]:
    made: dict[str, str] = {}
    changed: dict[str, list[str]] = {}
    for name in sorted(names):
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
            made[_free(_hashed(slug, name), made, changed)] = name
    return made


def _free(candidates: Iterable[str], *taken: Collection[str]) -> str:
    return next(found for found in candidates if not any(found in each for each in taken))


def _digest(slug: str, name: str, digits: int) -> str:
    return sha256(f"{slug}{SEPARATOR}{name}".encode()).hexdigest()[:digits]


def _hashed(slug: str, name: str) -> Iterator[str]:
    return (hashed_name(slug, name, digits) for digits in DIGITS)


def _plain(slug: str, name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"{slug}{SEPARATOR}{name}")
