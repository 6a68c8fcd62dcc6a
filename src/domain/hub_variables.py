"""The hub's own variables: values administrators store for `${HUB_…}`, which every server's configuration may read.

Rules held here:
- a stored value counts before the hub's environment; removing it lets the environment count again;
- setting the value that is stored already writes nothing, told by its fingerprint;
- replacing or removing a value names the data key that dies with it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from eventsourcing.dcb.domain import Selector
from msgspec import Struct

from mcphub.domain.codec import Recorded
from mcphub.domain.errors import UnknownHubVariable, ValuesRefused
from mcphub.domain.events import Event, HubVariableRemoved, HubVariableSet, hub_variable_tag
from mcphub.domain.hub import Command
from mcphub.domain.settings_file import Document
from mcphub.domain.slots import HUB_VARIABLE, NAME, is_slot, templates, variables
from mcphub.domain.substitution import BULLETS, MOST_VALUE

PURPOSE = "hub_variable"
OWNER = "hub:variables"  # of their data keys


class StoredVariable(Struct, frozen=True):
    """A stored value, sealed. `position` is its version."""

    sealed: str
    data_key: str
    mask: str
    fingerprint: str
    position: int
    saved_at: datetime


class HubVariables:
    """The fold: name → what is stored."""

    def __init__(self) -> None:
        self.stored: dict[str, StoredVariable] = {}

    def apply(self, recorded: Recorded) -> None:
        match recorded.event:
            case HubVariableSet() as event:
                self.stored[event.name] = StoredVariable(
                    event.sealed, event.data_key, event.mask, event.fingerprint, recorded.position, recorded.at
                )
            case HubVariableRemoved(name=name):
                self.stored.pop(name, None)

    def version(self, names: Sequence[str]) -> tuple[int, ...]:
        """Names the state of these variables without holding any; 0 for one that is not stored."""
        return tuple(stored.position if (stored := self.stored.get(name)) else 0 for name in names)


def storable(name: str) -> bool:
    return HUB_VARIABLE.fullmatch(name) is not None and NAME.fullmatch(name) is not None


def named_in(config: Document) -> Iterator[str]:
    """The variables of the hub that a server's configuration reads, one as often as it stands there."""
    for _, _, template in templates(config):
        yield from (name for name in variables(template) if not is_slot(name))


def check_hub_value(value: str) -> str | None:
    """Why a value, trimmed at its ends, cannot be stored, as a code; None when it can.

    Any place may read it, headers and addresses among them, so no line break is taken.
    """
    if BULLETS in value:
        return "masked_value"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "value_not_allowed"
    return "value_not_allowed" if not 0 < size <= MOST_VALUE or any(char in value for char in "\0\r\n") else None


def must_be_storable(name: str) -> None:
    """
    Raises:
        ValuesRefused: `hub_variable_name`.
    """
    if not storable(name):
        text = "a hub variable is written HUB_ and capitals, digits or underscores, 128 characters at most"
        raise ValuesRefused((("", "hub_variable_name", text),))


class SetHubVariable(Command):
    """Store a value, sealed already under a data key of its own.

    After execution `spent` is the data key no longer needed: of the replaced value, or the new one when the value was
    stored already; '' for none.

    Raises:
        ValuesRefused: documents could not read such a name.
    """

    def __init__(self, name: str, data_key: str, sealed: str, mask: str, fingerprint: str) -> None:
        self.name = name
        self.data_key = data_key
        self.sealed = sealed
        self.mask = mask
        self.fingerprint = fingerprint
        self.stored: HubVariableSet | None = None
        self.spent = ""

    def consistency_boundary(self) -> Sequence[Selector]:
        return _boundary(self.name)

    def evolve(self, event: Event) -> None:
        self.stored = event if isinstance(event, HubVariableSet) else None

    def execute(self) -> None:
        must_be_storable(self.name)
        if self.stored is not None and self.stored.fingerprint == self.fingerprint:
            self.spent = self.data_key
            return
        self.spent = self.stored.data_key if self.stored is not None else ""
        self.trigger_event(
            HubVariableSet,
            [hub_variable_tag(self.name)],
            name=self.name,
            data_key=self.data_key,
            sealed=self.sealed,
            mask=self.mask,
            fingerprint=self.fingerprint,
        )


class RemoveHubVariable(Command):
    """Forget a stored value for good. After execution `spent` is the data key no longer needed.

    Raises:
        UnknownHubVariable: nothing is stored under the name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.stored: HubVariableSet | None = None
        self.spent = ""

    def consistency_boundary(self) -> Sequence[Selector]:
        return _boundary(self.name)

    def evolve(self, event: Event) -> None:
        self.stored = event if isinstance(event, HubVariableSet) else None

    def execute(self) -> None:
        if self.stored is None:
            raise UnknownHubVariable(self.name)
        self.spent = self.stored.data_key
        self.trigger_event(
            HubVariableRemoved, [hub_variable_tag(self.name)], name=self.name, data_key=self.stored.data_key
        )


def _boundary(name: str) -> Sequence[Selector]:
    return [Selector(types=[HubVariableSet, HubVariableRemoved], tags=[hub_variable_tag(name)])]
