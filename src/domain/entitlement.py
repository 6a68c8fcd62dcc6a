"""What somebody could use, and who could use something, as of an access model: by `decide`, and nothing else.

A model of the past knows no lists that servers gave to users; what the record says of their tools stands for them.
So a tool counts by the newest definition its server is known to have given, until it was withdrawn.
"""

from collections.abc import Iterator
from datetime import datetime

from msgspec import Struct

from mcphub.domain.access import ALL, AccessModel, Capability, Principal, Reason, User, View, decide
from mcphub.domain.names import shown_names, tool_map
from mcphub.domain.settings_state import ServerState


class RecordedTool(Struct, frozen=True):
    """A tool as the record has it, by its own name, the one on the aggregate, and the one at its server's address."""

    name: str
    exposed: str
    shown: str
    hash: str
    position: int  # of the fact that holds the definition


class ByKey(Struct, frozen=True):
    """What a key of the user's opened, if it was usable."""

    key_id: str
    name: str
    reason: Reason


class Entitled(Struct, frozen=True):
    """One user and one server or tool.

    Args:
        reason: of the decision for the user, whichever key they come with.
        keys: those usable then, with what was decided for each.
        missing: variables without which the server could not be asked, by the names the document writes.
    """

    user_id: str
    reason: Reason
    keys: tuple[ByKey, ...]
    missing: tuple[str, ...]

    @property
    def could(self) -> bool:
        """Here, or through a key; a missing value stands in nobody's way of being allowed to."""
        return self.reason == "allowed"

    @property
    def could_by_key(self) -> bool:
        """From an IDE: with a key that was usable, and nothing missing."""
        return not self.missing and any(key.reason == "allowed" for key in self.keys)


def recorded_tools(model: AccessModel, server: ServerState) -> list[RecordedTool]:
    """By name. Empty for a server whose first list is not on the record."""
    book = model.tools.get(server.server_id)
    living = {name: tool for name, tool in book.tools.items() if not tool.withdrawn} if book is not None else {}
    exposed = {name: other for other, name in tool_map(server.slug, living, server.given_names).items()}
    shown = shown_names(server.slug, living, server.given_names)
    return [
        RecordedTool(name, exposed[name], shown[name], newest.hash, newest.position)
        for name in sorted(living)
        for newest in (living[name].newest,)
    ]


def missing_values(model: AccessModel, user_id: str, server: ServerState) -> tuple[str, ...]:
    """Variables the server needs of the user and has no value for, as the document writes them."""
    saved = model.credentials_of(user_id, server.server_id)
    return tuple(
        slot.name
        for slot in server.slots.values()
        if slot.required and not slot.default and slot.canonical not in saved
    )


def who_could(model: AccessModel, server: ServerState, tool: str, at: datetime, view: View = ALL) -> Iterator[Entitled]:
    """Every user there was, in the order they were registered, with the decision for each.

    Args:
        tool: by the server's own name; '' for the server itself.
    """
    found = {one.name: one.hash for one in recorded_tools(model, server)} if tool else {}
    capability = Capability(server.server_id, name=tool, definition=found.get(tool, ""))
    for user in list(model.users.values()):
        if not user.erased:
            yield _entitled(model, user, server, capability, at, view)


def _entitled(
    model: AccessModel, user: User, server: ServerState, capability: Capability, at: datetime, view: View
) -> Entitled:
    keys = tuple(
        ByKey(key.key_id, key.name, decide(model, Principal(user.user_id, key.key_id), capability, at, view).reason)
        for key in model.keys_of.get(user.user_id, {}).values()
        if key.usable(at)
    )
    reason = decide(model, Principal(user.user_id), capability, at, view).reason
    return Entitled(user.user_id, reason, keys, missing_values(model, user.user_id, server))
