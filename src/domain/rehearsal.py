"""Calls that were made, decided again as if a change had been there: which of them would have been refused.

The decision is the gateway's. What is refused as things are, whatever becomes of the change, is counted apart.
"""

from collections.abc import Iterable
from datetime import datetime

from msgspec import Struct

from mcphub.domain.access import ALL, AccessModel, Capability, Kind, Principal, View, decide
from mcphub.domain.entitlement import recorded_tools
from mcphub.domain.settings_file import objects
from mcphub.domain.settings_state import ServerState

KINDS: dict[str, Kind] = {"tools/call": "tools", "prompts/get": "prompts", "resources/read": "resources"}
RENAMED, NO_ADDRESS = "renamed", "no_address"


class Made(Struct, frozen=True, kw_only=True):
    """Calls of one user to one thing of a server, by its slug and the server's own name, in one way.

    Args:
        view: as `View` writes itself.
        last: when the last of them came in.
    """

    user_id: str
    key_id: str | None
    server: str
    tool: str
    method: str
    view: str
    calls: int
    last: datetime


class Refusal(Struct, frozen=True):
    """`reason` is the decision's, `renamed` for a tool that is called by another name then, or `no_address`."""

    made: Made
    reason: str


class Rehearsed(Struct, frozen=True):
    """Of `calls` in all: those that would have been refused, and how many more are refused as things are."""

    calls: int
    refused: list[Refusal]
    already: int


def rehearse(before: AccessModel, after: AccessModel, made: Iterable[Made], at: datetime) -> Rehearsed:
    """
    Args:
        after: with the change; see `impact.with_facts`.
        at: the clock of both.
    """
    calls, already, refused = 0, 0, []
    now, then = _Deciding(before, at), _Deciding(after, at)
    for one in made:
        calls += one.calls
        # A key that has ended was followed by another one, as a rule, which is not known here.
        key = before.keys.get(one.key_id or "")
        principal = Principal(one.user_id, key.key_id if key is not None and key.usable(at) else "")
        if now.reason(principal, one) != "allowed":
            already += one.calls
        elif (reason := then.reason(principal, one)) != "allowed":
            refused.append(Refusal(one, reason))
        elif now.name(one) != then.name(one):
            refused.append(Refusal(one, RENAMED))
    refused.sort(key=lambda one: (-one.made.calls, one.made.user_id, one.made.server, one.made.tool))
    return Rehearsed(calls, refused, already)


class _Deciding:
    """Asks one model, and remembers what is the same for every call of a server."""

    def __init__(self, model: AccessModel, at: datetime) -> None:
        self._model = model
        self._at = at
        self._closed = objects(model.settings.system, "routing").get("enableGlobalRoute") is False
        self._tools: dict[str, dict[str, tuple[str, str, str]]] = {}  # server → tool → hash, name on the aggregate, own

    def reason(self, principal: Principal, made: Made) -> str:
        view = read_view(made.view)
        if view == ALL and self._closed:
            return NO_ADDRESS
        server = self._model.settings.by_slug(made.server)
        if server is None:
            return "unknown_server"
        kind = KINDS[made.method]
        hash, _, _ = self._known(server).get(made.tool, ("", "", ""))
        capability = Capability(server.server_id, kind, made.tool, hash if kind == "tools" else "")
        return decide(self._model, principal, capability, self._at, view).reason

    def name(self, made: Made) -> str:
        """What a client calls a tool by."""
        server = self._model.settings.by_slug(made.server)
        if server is None or KINDS[made.method] != "tools":
            return made.tool
        _, exposed, shown = self._known(server).get(made.tool, ("", made.tool, made.tool))
        return shown if read_view(made.view).kind == "server" else exposed

    def _known(self, server: ServerState) -> dict[str, tuple[str, str, str]]:
        known = self._tools.get(server.server_id)
        if known is None:
            known = self._tools[server.server_id] = {
                one.name: (one.hash, one.exposed, one.shown) for one in recorded_tools(self._model, server)
            }
        return known


def read_view(text: str) -> View:
    """What `str(view)` wrote; everything for a text that is none."""
    kind, _, id = text.partition(":")
    match kind:
        case "server" | "group":
            return View(kind, id)
    return ALL
