"""The present state, folded from the ledger once: for the start of a hub, and for commands that look and go."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from mcphub.domain.access import AccessModel
from mcphub.domain.codec import Recorded
from mcphub.domain.vault import Vault
from mcphub.projections.directory import Directory
from mcphub.projections.tail import Tail


class Folded(Struct, frozen=True):
    """Everything as of the head of the ledger at the moment it was folded."""

    model: AccessModel
    directory: Directory


async def fold(dsn: str, vault: Vault, name_digest: Callable[[str], str]) -> Folded:
    """Reads the whole ledger."""
    state = Folded(AccessModel(name_digest, vault.membership), Directory(vault))
    tail = Tail(dsn, [folding(state.model), state.directory.facts_applied])
    await tail.start()
    await tail.stop()
    return state


def folding(model: AccessModel) -> Callable[[Sequence[Recorded]], None]:
    """The model as a sink of the tail."""

    def sink(facts: Sequence[Recorded]) -> None:
        for recorded in facts:
            model.apply(recorded)

    return sink
