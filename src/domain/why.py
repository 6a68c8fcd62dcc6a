"""Why somebody may, or may not, use something: the decision itself, and the fact that made it so.

Nothing is explained beside the decision. It is taken again after each fact it can depend on, and the last one after
which it was another is the one to name.
"""

from collections.abc import Callable, Iterable

from eventsourcing.dcb.domain import Selector
from msgspec import Struct

from mcphub.domain.access import AccessModel, Reason
from mcphub.domain.codec import Recorded
from mcphub.domain.events import (
    SERVERS,
    Event,
    GroupActivated,
    GroupChanged,
    GroupCreated,
    GroupDeactivated,
    GroupDeleted,
    KeyExtended,
    KeyIssued,
    KeyRenamed,
    KeyRevoked,
    KeyRotated,
    SecretSlotDeclared,
    SecretSlotRetired,
    UserMembershipsChanged,
    server_tag,
    user_tag,
)
from mcphub.domain.settings_command import SERVER_EVENTS
from mcphub.domain.tool_book import TOOL_FACTS
from mcphub.domain.users import LIFE

ABOUT_USER: list[type[Event]] = [
    *(*LIFE, UserMembershipsChanged),
    *(KeyIssued, KeyRenamed, KeyExtended, KeyRotated, KeyRevoked),
    *(GroupCreated, GroupChanged, GroupActivated, GroupDeactivated, GroupDeleted),
]
SLOTS = (SecretSlotDeclared, SecretSlotRetired)  # no decision asks for them


class Why(Struct, frozen=True):
    """`since` is the position of the fact that made the reason what it is; 0 when it was never another."""

    reason: Reason
    since: int


def depends_on(user_id: str, server_id: str) -> list[Selector]:
    """The facts that a decision about this user and this server can depend on."""
    return [
        Selector(types=ABOUT_USER, tags=[user_tag(user_id)]),
        Selector(types=SERVER_EVENTS, tags=[SERVERS]),
        Selector(types=TOOL_FACTS, tags=[server_tag(server_id)]),
    ]


def why(facts: Iterable[Recorded], model: AccessModel, decided: Callable[[AccessModel], Reason]) -> Why:
    """
    Args:
        facts: those of `depends_on`, oldest first, up to the time that is asked about.
        model: without any facts.
        decided: asks for the decision. Its clock is that of the time asked about, so that what ended by itself has
            ended; nothing is recorded when that happens, and the fact that set the end is the one to name.
    """
    reason, since = decided(model), 0
    for fact in facts:
        model.apply(fact)
        if not isinstance(fact.event, SLOTS) and (now := decided(model)) != reason:
            reason, since = now, fact.position
    return Why(reason, since)
