"""Given these facts, when this command runs, then these events or this refusal. Shipped, for extensions to use."""

from collections.abc import Callable, Sequence
from typing import Any

from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem
from eventsourcing.dcb.domain import Tagged

from mcphub.domain.actor import acting, system
from mcphub.domain.codec import JsonMapper
from mcphub.domain.errors import Refused
from mcphub.domain.events import Event
from mcphub.domain.hub import Command, Hub

Fact = tuple[Event, Sequence[str]]

NEVER = DCBAppendCondition(fail_if_events_match=DCBQuery([DCBQueryItem(types=[], tags=["never:matches"])]), after=None)


class Scenario:
    """A hub of its own; in memory unless another is handed in."""

    def __init__(self, hub: Hub | None = None) -> None:
        self.hub = hub or Hub()
        self.command: Command | None = None
        self.error: Refused | None = None

    def given(self, *facts: Fact) -> "Scenario":
        """These facts are recorded."""
        if facts:
            mapper = JsonMapper()
            with acting(system("test")):
                events = [mapper.to_dcb_event(Tagged(tags=list(tags), decision=event)) for event, tags in facts]
                self.hub.recorder.append(events, NEVER)
        return self

    def when(self, command: Command | Callable[[], Command]) -> "Scenario":
        """The command reads its boundary and decides; nothing is saved. A callable may be refused while it is made."""
        self.command, self.error = None, None
        try:
            made = command() if callable(command) else command
            self.command = self.hub.repository.advance(made)
            self.command.execute()
        except Refused as error:
            self.error = error
        return self

    def then(self, *events: Event) -> "Scenario":
        """Exactly these events were decided."""
        if self.error is not None:
            raise AssertionError(f"refused: {self.error}") from self.error
        decided = [tagged.decision for tagged in self._decisions()]
        assert decided == list(events), f"decided {decided}"
        return self

    def refused(self, error: type[Refused]) -> "Scenario":
        """The command was refused in this way and decided nothing."""
        assert type(self.error) is error, f"expected {error.__name__}, got {self.error!r}"
        assert not self._decisions()
        return self

    def tagged(self) -> list[list[str]]:
        """The tags of each decided event."""
        return [list(tagged.tags) for tagged in self._decisions()]

    def _decisions(self) -> list[Tagged[Any]]:
        return [] if self.command is None else self.command.new_decisions
