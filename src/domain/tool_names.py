"""Names that administrators give to tools: what may be one, and which tool has it already.

A given name is all that clients see and call; access, switches, descriptions, the record and the history go by the
server's own. `names.py` sees to it that it stays its tool's, whatever the server lists later.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any

from msgspec import Struct

from mcphub.domain.names import MOST_GIVEN, exposed_name, tool_map

FORM = f"1 to {MOST_GIVEN} of A-Z, a-z, 0-9, '_' and '-'"
PATTERN = f"^[A-Za-z0-9_-]{{1,{MOST_GIVEN}}}$"
_GOOD = re.compile(PATTERN)


class KnownTools(Struct, frozen=True):
    """Of a server: its slug, its tools by their own names as far as they are known, and the names given so far."""

    slug: str = ""
    listed: Collection[str] = ()
    given: Mapping[str, str] = {}


def good_tool_name(name: str) -> bool:
    """Could a tool be given this name?"""
    return _GOOD.fullmatch(name) is not None


def given_names(config: Mapping[str, Any]) -> Mapping[str, str]:
    """Tool → its given name, of a server's configuration.

    What is no name counts as none, and of two tools with one name the first by its own: documents that are older than
    the rule may hold such entries.
    """
    entries = config.get("tools")
    first: dict[str, str] = {}
    for tool, entry in sorted(entries.items()) if isinstance(entries, dict) else ():
        name = entry.get("name") if isinstance(entry, dict) else None
        if isinstance(name, str) and name != tool and good_tool_name(name):
            first.setdefault(name, tool)
    return {tool: name for name, tool in first.items()}


def claims(slug: str, listed: Collection[str], given: Mapping[str, str]) -> Mapping[str, Collection[str]]:
    """Name on the aggregate → the tools that would be meant by it.

    A tool that was given another name keeps its own one for itself: whoever still calls it by that reaches no other.

    Args:
        listed: tools of the server by their own names.
        given: tool → its given name.
    """
    found: dict[str, set[str]] = {}
    for tool in {*listed, *given}:
        found.setdefault(exposed_name(slug, tool), set()).add(tool)
    for exposed, tool in tool_map(slug, {*listed, *given}).items():
        found.setdefault(exposed, set()).add(tool)
    for tool, name in given.items():
        found.setdefault(exposed_name(slug, name), set()).add(tool)
    return found


def holder(claimed: Mapping[str, Collection[str]], slug: str, tool: str, name: str) -> str:
    """Another tool, by its own name, that claims what this one would be called by `name`; '' when there is none."""
    return min((other for other in claimed.get(exposed_name(slug, name), ()) if other != tool), default="")
