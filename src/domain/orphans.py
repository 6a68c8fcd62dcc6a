"""Orphans: values users saved for what no server asks for any more, and their purge.

Rules held here:
- a value is an orphan when its server is gone, or asks no longer for its variable; a server added again under the name
  of a removed one has another id, so it inherits nothing;
- only what is an orphan in the moment of the append is purged: a variable that came back meanwhile keeps its value;
- a purge names the data key that dies with the value, as clearing does.
"""

from collections.abc import Mapping, Sequence

from eventsourcing.dcb.domain import Selector
from msgspec import Struct

from mcphub.domain.access import AccessModel
from mcphub.domain.events import (
    Event,
    ServiceTokenRemoved,
    ServiceTokenSaved,
    UserErased,
    server_tag,
    user_tag,
)
from mcphub.domain.hub import Command
from mcphub.domain.settings_command import SERVER_EVENTS
from mcphub.domain.settings_state import ServerState, SettingsState

BATCH = 50  # values in one append: a boundary of some hundred selectors at most


class Orphan(Struct, frozen=True, order=True):
    """A value nobody asks for. `data_key` says which one: another value saved later is another orphan."""

    user_id: str
    server_id: str
    variable: str
    data_key: str


def is_orphan(servers: Mapping[str, ServerState], server_id: str, variable: str) -> bool:
    server = servers.get(server_id)
    return server is None or variable not in server.slots


def orphans(model: AccessModel) -> list[Orphan]:
    """Every orphan there is, in a fixed order."""
    return sorted(
        Orphan(user_id, server_id, variable, stored.data_key)
        for user_id, servers in model.credentials.items()
        for server_id, values in servers.items()
        for variable, stored in values.items()
        if is_orphan(model.servers, server_id, variable)
    )


class PurgeOrphans(Command):
    """Remove these orphans for good, in one append. `removed` says which of them still were.

    Args:
        candidates: at most BATCH.
    """

    def __init__(self, candidates: Sequence[Orphan]) -> None:
        self.candidates = candidates
        self.settings = SettingsState()
        self.stored: dict[tuple[str, str, str], str] = {}  # place → data key
        self.removed: list[Orphan] = []

    def consistency_boundary(self) -> Sequence[Selector]:
        places = sorted({(orphan.user_id, orphan.server_id) for orphan in self.candidates})
        return [
            *(Selector(types=SERVER_EVENTS, tags=[server_tag(server)]) for server in sorted({s for _, s in places})),
            *(
                Selector(types=[ServiceTokenSaved, ServiceTokenRemoved], tags=[user_tag(user), server_tag(server)])
                for user, server in places
            ),
            *(Selector(types=[UserErased], tags=[user_tag(user)]) for user in sorted({u for u, _ in places})),
        ]

    def evolve(self, event: Event) -> None:
        match event:
            case ServiceTokenSaved(user_id=user, server_id=server, variable=variable, data_key=data_key):
                self.stored[user, server, variable] = data_key
            case ServiceTokenRemoved(user_id=user, server_id=server, variable=variable):
                self.stored.pop((user, server, variable), None)
            case UserErased(user_id=user):
                self.stored = {place: key for place, key in self.stored.items() if place[0] != user}
            case _:
                self.settings.apply(event)

    def execute(self) -> None:
        for orphan in self.candidates:
            user, server, variable = orphan.user_id, orphan.server_id, orphan.variable
            if self.stored.get((user, server, variable)) != orphan.data_key:
                continue
            if not is_orphan(self.settings.servers, server, variable):
                continue
            self.removed.append(orphan)
            self.trigger_event(
                ServiceTokenRemoved,
                [user_tag(user), server_tag(server)],
                user_id=user,
                server_id=server,
                variable=variable,
                data_key=orphan.data_key,
            )
