"""Taking a fact back: planned from the facts about the same thing, then done by the ordinary command."""

import asyncio
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from psycopg_pool import AsyncConnectionPool

from mcphub.api.literals import Literals
from mcphub.domain.actor import Meta
from mcphub.domain.codec import Recorded
from mcphub.domain.findings import Policy
from mcphub.domain.literal_secrets import restored
from mcphub.domain.settings_file import Document
from mcphub.domain.undo import QUIET, Build, Undoing, depends_on, inverse
from mcphub.domain.vault import Vault
from mcphub.projections.facts import changed_after, fact_at, facts_of

QUIET_TYPES = [type_.__name__ for type_ in QUIET]


class UnknownFact(LookupError):
    """Nothing is recorded at the position."""


class Plan(Struct, frozen=True):
    """What takes a fact back."""

    fact: Recorded
    build: Build

    def meta(self, actor: Meta) -> Meta:
        """Of whoever takes it back: what is recorded then points at the fact."""
        return replace(actor, causation_id=self.fact.id)


class Undo:
    """
    Args:
        read: for reading the ledger.
    """

    def __init__(self, read: AsyncConnectionPool[Any], vault: Vault) -> None:
        self._read = read
        self._literals = Literals(vault)

    async def fact(self, position: int) -> Recorded:
        """
        Raises:
            UnknownFact: see there.
        """
        found = await fact_at(self._read, position) if 0 < position < 2**63 else None
        if found is None:
            raise UnknownFact
        return found

    async def plan(self, fact: Recorded, by: str, policy: Policy) -> Plan:
        """
        Args:
            by: id of the user who takes it back; '' for whoever holds the host.

        Raises:
            NotUndoable: why it is not to be.
            Refused: what it would bring back is not to be had any more.
        """
        history = await facts_of(self._read, depends_on(fact.event))
        undoing = Undoing(by=by, now=datetime.now(UTC), policy=policy, mend=self._mend)
        return Plan(fact, await asyncio.to_thread(inverse, history, fact.position, undoing))

    async def outdated(self, seen: int) -> bool:
        """Was anything changed after a position? What only says that something happened is no change."""
        return await changed_after(self._read, seen, QUIET_TYPES)

    def _mend(self, wanted: Document, now: Document) -> Document:
        return restored(wanted, now, self._literals.opens)
