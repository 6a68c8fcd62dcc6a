"""Seals: a finished day of the access log or of the traffic is recorded by its digest, once."""

from collections.abc import Sequence
from datetime import date

from eventsourcing.dcb.domain import Selector

from mcphub.domain.events import DaySealed, Event, seal_tag
from mcphub.domain.hub import Command


class SealDay(Command):
    """Record what a finished day of a log holds. A day that is sealed stays as it was sealed.

    Args:
        rows, sha256, first, last: as DaySealed keeps them.
    """

    def __init__(self, log: str, day: date, *, rows: int, sha256: str, first: int, last: int) -> None:
        self.log = log
        self.day = day
        self.facts = {"rows": rows, "sha256": sha256, "first": first, "last": last}
        self.sealed = False

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[DaySealed], tags=[seal_tag(self.log, self.day)])]

    def evolve(self, event: Event) -> None:
        self.sealed = True

    def execute(self) -> None:
        if not self.sealed:
            self.trigger_event(DaySealed, [seal_tag(self.log, self.day)], log=self.log, day=self.day, **self.facts)
