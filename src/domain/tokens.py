"""The values users save for servers' variables: saved sealed, cleared for good.

Rules held here:
- saving the value that is stored already writes nothing, told by its fingerprint;
- replacing or clearing a value names the data key that dies with it; destroying it is the reactor's work.
"""

from collections.abc import Sequence

from eventsourcing.dcb.domain import Selector
from msgspec import Struct

from mcphub.domain.errors import UnknownUser, UserIsErased
from mcphub.domain.events import (
    Event,
    ServiceTokenRemoved,
    ServiceTokenSaved,
    UserErased,
    UserRegistered,
    server_tag,
    user_tag,
)
from mcphub.domain.hub import Command


class SealedValue(Struct, frozen=True):
    """A value ready to be recorded, sealed under `data_key` for this user, server and variable."""

    server_id: str
    variable: str
    data_key: str
    sealed: str
    mask: str
    fingerprint: str


class SaveValues(Command):
    """Save some of a user's values and clear others, all in one append.

    After execution `saved`, `unchanged` and `cleared` name (server id, variable), and `spent` the data keys no longer
    needed: those of replaced and cleared values, which an event names, and those sealed in vain for unchanged ones.

    Raises:
        UnknownUser, UserIsErased: nobody to save for.
    """

    def __init__(self, user_id: str, save: Sequence[SealedValue], clear: Sequence[tuple[str, str]] = ()) -> None:
        self.user_id = user_id
        self.save = save
        self.clear = clear
        self.known = self.erased = False
        self.stored: dict[tuple[str, str], tuple[str, str]] = {}  # (server, variable) → (data key, fingerprint)
        self.saved: list[tuple[str, str]] = []
        self.unchanged: list[tuple[str, str]] = []
        self.cleared: list[tuple[str, str]] = []
        self.spent: list[str] = []

    def consistency_boundary(self) -> Sequence[Selector]:
        types: list[type[Event]] = [ServiceTokenSaved, ServiceTokenRemoved, UserRegistered, UserErased]
        return [Selector(types=types, tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        match event:
            case UserRegistered():
                self.known = True
            case UserErased():
                self.erased = True
            case ServiceTokenSaved():
                self.stored[event.server_id, event.variable] = (event.data_key, event.fingerprint)
            case ServiceTokenRemoved():
                self.stored.pop((event.server_id, event.variable), None)

    def execute(self) -> None:
        if not self.known:
            raise UnknownUser(self.user_id)
        if self.erased:
            raise UserIsErased(self.user_id)
        for value in self.save:
            place = (value.server_id, value.variable)
            old = self.stored.get(place)
            if old is not None and old[1] == value.fingerprint:
                self.unchanged.append(place)
                self.spent.append(value.data_key)
                continue
            if old is not None:
                self.spent.append(old[0])
            self.saved.append(place)
            self.trigger_event(
                ServiceTokenSaved,
                [user_tag(self.user_id), server_tag(value.server_id)],
                user_id=self.user_id,
                server_id=value.server_id,
                variable=value.variable,
                data_key=value.data_key,
                sealed=value.sealed,
                mask=value.mask,
                fingerprint=value.fingerprint,
            )
        for server_id, variable in self.clear:
            old = self.stored.get((server_id, variable))
            if old is None:
                continue
            self.cleared.append((server_id, variable))
            self.spent.append(old[0])
            self.trigger_event(
                ServiceTokenRemoved,
                [user_tag(self.user_id), server_tag(server_id)],
                user_id=self.user_id,
                server_id=server_id,
                variable=variable,
                data_key=old[0],
            )
