"""Addresses of resources on the aggregate: as the server gives them, marked with its slug only where two give the same.

Spec: RFC 6570 for templates, as far as matching needs it; RFC 3986 for schemes.
"""

import re
from functools import lru_cache

MARK = re.compile(r"mcphub\+([a-z0-9-]+):(.+)", re.DOTALL)
EXPRESSION = re.compile(r"\{([+#./;?&]?)[^{}]*\}")
LONGEST = 2048  # characters of an address or template


def marked(slug: str, uri: str) -> str:
    return f"mcphub+{slug}:{uri}"


def unmarked(uri: str) -> tuple[str, str]:
    """(slug, the server's own address); the slug is '' when the address carries none."""
    found = MARK.fullmatch(uri)
    return (found[1], found[2]) if found else ("", uri)


def matches(template: str, uri: str) -> bool:
    """Could the template have made this address? A template that cannot be read matches itself only."""
    if len(template) > LONGEST or len(uri) > LONGEST:
        return False
    return _pattern(template).fullmatch(uri) is not None


@lru_cache(1024)
def _pattern(template: str) -> re.Pattern[str]:
    out, at = "", 0
    for found in EXPRESSION.finditer(template):
        # Possessive, so that no address makes the search try one split after another.
        wide = r"[^\s]*" if found[1] in {"+", "#", "?", "&", "/", ".", ";"} else r"[^/?#\s]+"
        out += re.escape(template[at : found.start()]) + wide
        at = found.end()
    return re.compile(out + re.escape(template[at:]))
