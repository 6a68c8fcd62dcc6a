"""How each read table is doing: where it stands, how late it is, how large, and at which event it was parked."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from mcphub.projections.tables import REBUILD_LOCK, all_projections

__all__ = ["PARKED_AGAIN", "TABLE_STATES", "Pace", "TableState", "known_names", "waits_for_rebuild"]

# Whoever rebuilds, this hub, another one or the command line, holds the lock for itself alone.
TABLE_STATES = f"""
    select tracking.name, tracking.position, tracking.version, tracking.status, tracking.error,
           tracking.failed_at_position as failed_at, tracking.updated_at, head.position as head,
           greatest(coalesce(extract(epoch from clock_timestamp() - waiting.recorded_at), 0), 0)::float8 as late_s,
           coalesce(pg_total_relation_size(to_regclass('read.' || quote_ident(tracking.name))), 0) as bytes,
           parked.type as failed_type, parked.recorded_at as failed_recorded_at,
           exists (
               select from pg_locks
               where locktype = 'advisory' and granted and mode = 'ExclusiveLock'
                 and (classid, objid, objsubid) = (0, {REBUILD_LOCK}, 1)
                 and database = (select oid from pg_database where datname = current_database())
           ) as rebuilding
    from public.tracking
    cross join public.ledger_head as head
    left join public.ledger as waiting on waiting.position = tracking.position + 1
    left join public.ledger as parked on parked.position = tracking.failed_at_position
    order by tracking.name
"""
# It goes on with the event it stopped at. No event can be left out: the table would not be what a rebuild makes.
PARKED_AGAIN = """
    update public.tracking
    set status = 'live', error = null, failed_at_position = null, updated_at = clock_timestamp()
    where name = %s and status = 'failed'
"""


class TableState(Struct, frozen=True, kw_only=True):
    """One table. `late_s`: seconds since the oldest event it does not show was recorded, 0 when it shows all."""

    name: str
    position: int
    head: int
    version: int
    status: str
    error: str | None
    failed_at: int | None
    failed_type: str | None
    failed_recorded_at: datetime | None
    updated_at: datetime
    late_s: float
    bytes: int
    rebuilding: bool

    @property
    def lag(self) -> int:
        """Events it does not show yet."""
        return max(0, self.head - self.position)


def known_names() -> frozenset[str]:
    return frozenset(projection.name for projection in all_projections())


def waits_for_rebuild(states: Sequence[TableState]) -> set[str]:
    """Tables that another version of the hub made."""
    wanted = {projection.name: projection.version for projection in all_projections()}
    return {state.name for state in states if wanted.get(state.name) != state.version}


class Pace:
    """How fast something moves, in events a second, from looks at where it is: over the last ten seconds, or the last
    two looks when these are further apart.
    """

    SPAN_S = 10.0

    def __init__(self) -> None:
        self._looks: dict[str, deque[tuple[float, int]]] = {}

    def look(self, name: str, position: int, at: float) -> float:
        """
        Args:
            at: monotonic seconds.
        """
        looks = self._looks.setdefault(name, deque())
        if looks and position < looks[-1][1]:  # begun anew
            looks.clear()
        looks.append((at, position))
        while len(looks) > 2 and looks[1][0] <= at - self.SPAN_S:
            looks.popleft()
        since, first = looks[0]
        return (position - first) / (at - since) if at > since else 0.0
