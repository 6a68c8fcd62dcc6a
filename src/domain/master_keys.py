"""The master key ring on the record: which key wraps the data keys, and which ones no row needs any more.

Only names of keys are facts; the keys themselves are in no database.
"""

from collections.abc import Sequence

from eventsourcing.dcb.domain import Selector

from mcphub.domain.events import MASTER_KEYS, Event, MasterKeyRotated
from mcphub.domain.hub import Command


class NoteMasterKeyRotated(Command):
    """Record that a rotation is complete. One that is on the record already, cut off behind it, writes nothing."""

    def __init__(self, key_id: str, retired: Sequence[str], rewrapped: int) -> None:
        self.key_id = key_id
        self.retired = retired
        self.rewrapped = rewrapped
        self.active = ""

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[MasterKeyRotated], tags=[MASTER_KEYS])]

    def evolve(self, event: Event) -> None:
        if isinstance(event, MasterKeyRotated):
            self.active = event.key_id

    def execute(self) -> None:
        if self.active == self.key_id:
            return
        self.trigger_event(
            MasterKeyRotated,
            [MASTER_KEYS],
            key_id=self.key_id,
            retired=sorted(self.retired),
            rewrapped=self.rewrapped,
        )
