"""How a client's list of tools looks: every tool by its own name, one tool for each server, or four tools that find and
call all others.

A mode decides what is listed and nothing else: whatever a user may use is callable by its qualified name in every mode.
Who chooses, first to last: `?mode=` of the address, the address itself, the key, the user; else it goes by numbers.

Spec: the contract of this hub, section 7.
"""

from functools import lru_cache
from typing import Literal, get_args
from urllib.parse import parse_qsl

from msgspec import Struct

from mcphub.domain.access import AccessModel, Principal, View
from mcphub.domain.settings_file import objects

Mode = Literal["tools", "servers", "search", "auto"]
Shown = Literal["tools", "servers", "search", "verbatim"]  # verbatim: a server's own list, at its own address

MODES: dict[str, Mode] = {
    "tools": "tools",
    "direct": "tools",
    "servers": "servers",
    "server": "servers",
    "search": "search",
    "smart": "search",
    "auto": "auto",
}
MOST_TOOLS = 40  # that `auto` lists one by one: from about there IDEs warn or drop some
MOST_SERVERS = 5  # that `auto` lists as a tool each: beyond, those lists are too long again
MOST_PINNED = 10  # tools listed beside the four
LONGEST_QUERY = 2000
SMART = "/mcp/$smart"  # where the mode is `search`, for everything or for one own group


class UnknownMode(Exception):
    """The address asks for a mode this hub does not have."""

    code = "unknown_mode"

    def __init__(self, mode: str) -> None:
        super().__init__(f"There is no mode {mode[:40]!r} here; mode is one of {', '.join(MODES)}.")


class Asked(Struct, frozen=True, omit_defaults=True):
    """What an address asks for in its query. `mode` '': nothing; `why`: list `hub_why`, too."""

    mode: Mode | Literal[""] = ""
    why: bool = False


NOTHING = Asked()


@lru_cache(256)
def asked_in(query: bytes, path: str = "") -> Asked:
    """What the address asks for.

    Raises:
        UnknownMode: see there.
    """
    found = dict(parse_qsl(query[:LONGEST_QUERY].decode("latin-1"), keep_blank_values=True))
    mode = found.get("mode")
    if mode is not None and mode not in MODES:
        raise UnknownMode(mode)
    by_path: Mode | Literal[""] = "search" if is_smart(path) else ""
    return Asked(MODES[mode] if mode is not None else by_path, found.get("why") == "1")


def is_smart(path: str) -> bool:
    return path == SMART or path.startswith(f"{SMART}/")


def chosen(asked: Asked, view: View, *, by_key: str = "", by_user: str = "") -> Mode | Literal["verbatim"]:
    """Who speaks first is heard; a stored wish for a mode that this hub does not have counts as none."""
    if asked.mode:
        return asked.mode
    if view.kind == "server":
        return "verbatim"
    return MODES.get(by_key) or MODES.get(by_user) or "auto"


def choice(model: AccessModel, principal: Principal, view: View, asked: Asked) -> Mode | Literal["verbatim"]:
    """What is chosen for a client, by the facts of now."""
    key, user = model.keys.get(principal.key_id), model.users.get(principal.user_id)
    scope = key.scope if key is not None else None
    return chosen(
        asked,
        view,
        by_key=(scope.mode or "") if scope is not None else "",
        by_user=user.exposure_mode if user is not None else "",
    )


def settled(model: AccessModel, mode: Mode | Literal["verbatim"], tools: int, servers: int) -> Shown:
    """What is listed, once it is known how many tools are visible, and of how many servers."""
    if mode == "auto" and tools <= MOST_TOOLS:
        return "tools"
    if mode == "auto":
        mode = "servers" if servers <= MOST_SERVERS else "search"
    return "servers" if mode == "search" and not search_on(model) else mode


def modes_of(model: AccessModel) -> list[Mode]:
    """What there is to choose from."""
    return [mode for mode in get_args(Mode) if mode != "search" or search_on(model)]


def search_on(model: AccessModel) -> bool:
    """An administrator may switch search off; then nothing of it is loaded, and `search` lists what `servers` does."""
    return objects(model.settings.system, "smartRouting").get("enabled") is not False


def pinned(model: AccessModel, principal: Principal) -> list[str]:
    """Tools, by their names on the aggregate, that mode `search` lists beside the four: of administrators, then own."""
    given = objects(model.settings.system, "smartRouting").get("pinnedTools")
    user = model.users.get(principal.user_id)
    of_all = [name for name in given if isinstance(name, str)] if isinstance(given, list) else []
    return list(dict.fromkeys([*of_all, *(user.pinned_tools if user is not None else ())]))[:MOST_PINNED]


def lists_why(model: AccessModel, principal: Principal, asked: Asked) -> bool:
    """Does this client's list hold `hub_why`?"""
    user = model.users.get(principal.user_id)
    return asked.why or (user is not None and user.show_why)
