"""How a client's list of tools looks: every tool by its own name, or one tool for each server.

A mode decides what is listed and nothing else: whatever a user may use is callable by its qualified name in every mode.
Who chooses, first to last: `?mode=` of the address, the address itself, the key, the user; else it goes by numbers.

Spec: the contract of this hub, section 7.
"""

from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qsl

from msgspec import Struct

from mcphub.domain.access import AccessModel, Principal, View

Mode = Literal["tools", "servers", "auto"]
Shown = Literal["tools", "servers", "verbatim"]  # verbatim: one server under its own names, at its own address

MODES: dict[str, Mode] = {
    "tools": "tools",
    "direct": "tools",
    "servers": "servers",
    "server": "servers",
    "auto": "auto",
}
MOST_TOOLS = 40  # that `auto` lists one by one: from about there IDEs warn or drop some
LONGEST_QUERY = 2000


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
def asked_in(query: bytes) -> Asked:
    """
    Raises:
        UnknownMode: see there.
    """
    found = dict(parse_qsl(query[:LONGEST_QUERY].decode("latin-1"), keep_blank_values=True))
    mode = found.get("mode")
    if mode is not None and mode not in MODES:
        raise UnknownMode(mode)
    return Asked(MODES[mode] if mode is not None else "", found.get("why") == "1")


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


def settled(mode: Mode | Literal["verbatim"], tools: int) -> Shown:
    """What is listed, once it is known how many tools are visible."""
    if mode == "auto":
        return "tools" if tools <= MOST_TOOLS else "servers"
    return mode


def lists_why(model: AccessModel, principal: Principal, asked: Asked) -> bool:
    """Does this client's list hold `hub_why`?"""
    user = model.users.get(principal.user_id)
    return asked.why or (user is not None and user.show_why)
