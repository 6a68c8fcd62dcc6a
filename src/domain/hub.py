"""Runs commands: reads the boundary, decides, appends, and decides again when somebody else was faster."""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from eventsourcing.dcb.application import DCBApplication
from eventsourcing.dcb.domain import Slice
from eventsourcing.persistence import IntegrityError

from mcphub.domain.actor import ACTOR, acting, current, named
from mcphub.domain.errors import Busy, Outdated
from mcphub.domain.events import Event

CommandT = TypeVar("CommandT", bound="Command")

ATTEMPTS = 5


class Command(Slice[Event]):
    """A slice: it names its boundary, folds the facts in it, and `execute` decides.

    `evolve` never raises. `execute` raises a Refused or triggers events.
    A command that would change nothing triggers none.
    """

    def evolve(self, event: Event) -> None:
        raise NotImplementedError

    def execute(self) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Done(Generic[CommandT]):
    """A command that ran: the position of its last event, or the last known one when nothing changed, and its state."""

    position: int
    command: CommandT
    changed: bool


class Hub(DCBApplication):
    """The write side on the recorder plugged in: PostgreSQL in the hub, the library's in-memory twin in unit tests."""

    env: Mapping[str, str] = {
        "PERSISTENCE_MODULE": "eventsourcing.dcb.popo",
        "MAPPER_TOPIC": "mcphub.domain.codec:JsonMapper",
    }

    def execute(self, build: Callable[[], CommandT], *, if_match: int | None = None) -> Done[CommandT]:
        """Decide on fresh facts and append; blocking, so call it in a thread.

        Args:
            build: makes the command anew; one that met a conflict holds spent decisions.
            if_match: the position of the state the caller saw; any later event in the boundary refuses the command.

        Returns:
            Where the facts stand now, and the command with what it worked out.

        Raises:
            Refused: a rule said no; nothing was written.
            Outdated: something in the boundary is newer than `if_match`.
            Busy: five others were faster in a row.
        """
        meta = current()
        for attempt in range(ATTEMPTS):
            command = build()
            self.repository.advance(command)
            with acting(named(meta, type(command).__name__)):
                command.execute()
                if not command.new_decisions:
                    return Done(command.last_known_position or 0, command, changed=False)
                if if_match is not None:
                    command.last_known_position = if_match  # conflict = anything in the boundary after what was seen
                try:
                    return Done(int(self.repository.save(command)), command, changed=True)
                except IntegrityError:
                    if if_match is not None:
                        raise Outdated(if_match) from None
            time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311  jitter, not a secret
        raise Busy

    def rehearse(self, build: Callable[[], CommandT]) -> CommandT:
        """Decide as `execute` does, and write nothing; `new_decisions` says what it would record. Blocking.

        Raises:
            Refused: a rule said no.
        """
        command = build()
        self.repository.advance(command)
        command.execute()
        return command


def plugged(topic: str, env: Mapping[str, Any]) -> Hub:
    """A Hub on the recorder that `topic` names, as in `mcphub.postgres.ledger:Factory`."""
    return Hub({"PERSISTENCE_MODULE": topic, **{key: str(value) for key, value in env.items()}})


__all__ = ["ACTOR", "Command", "Hub", "plugged"]
