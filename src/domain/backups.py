"""Backups on the record: that one was made, and that a hub was made of one."""

from collections.abc import Sequence

from eventsourcing.dcb.domain import Selector
from msgspec.structs import asdict

from mcphub.domain.events import BACKUPS, BackupMade, Event, HubRestored
from mcphub.domain.hub import Command


class NoteBackup(Command):
    """Record what was done. It was, so it is recorded whatever there was before."""

    def __init__(self, fact: BackupMade | HubRestored) -> None:
        self.fact = fact

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[BackupMade, HubRestored], tags=[BACKUPS])]

    def evolve(self, event: Event) -> None:
        pass

    def execute(self) -> None:
        self.trigger_event(type(self.fact), [BACKUPS], **asdict(self.fact))
