"""Seals: a finished day of the access log or of the traffic is recorded by its digest, once; so is its end."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from eventsourcing.dcb.domain import Selector

from mcphub.domain.events import DayDropped, DaySealed, Event, seal_tag
from mcphub.domain.hub import Command


class SealDay(Command):
    """Record what a finished day of a log holds. A day that is sealed stays as it was sealed.

    Args:
        rows, sha256, first, last, form: as DaySealed keeps them.
    """

    def __init__(self, log: str, day: date, *, rows: int, sha256: str, first: int, last: int, form: int = 1) -> None:
        self.log = log
        self.day = day
        self.facts: dict[str, Any] = {"rows": rows, "sha256": sha256, "first": first, "last": last, "form": form}
        self.sealed = False

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[DaySealed], tags=[seal_tag(self.log, self.day)])]

    def evolve(self, event: Event) -> None:
        self.sealed = True

    def execute(self) -> None:
        if not self.sealed:
            self.trigger_event(DaySealed, [seal_tag(self.log, self.day)], log=self.log, day=self.day, **self.facts)


class DropDay(Command):
    """Record that a sealed day is let go. Before it is: rows that are gone without a word were taken.

    Nothing is written of a day that was not sealed, or was dropped before.
    """

    def __init__(self, log: str, day: date) -> None:
        self.log = log
        self.day = day
        self.sealed = self.dropped = False

    def consistency_boundary(self) -> Sequence[Selector]:
        return [Selector(types=[DaySealed, DayDropped], tags=[seal_tag(self.log, self.day)])]

    def evolve(self, event: Event) -> None:
        match event:
            case DaySealed():
                self.sealed = True
            case DayDropped():
                self.dropped = True

    def execute(self) -> None:
        if self.sealed and not self.dropped:
            self.trigger_event(DayDropped, [seal_tag(self.log, self.day)], log=self.log, day=self.day)
