"""The access log: sign-ins, sign-outs, what was refused and exported, as rows beside the ledger.

Promises:
- a sign-in that was answered is in the spool, so it outlives the death of the hub, and in PostgreSQL soon after;
- an answer to a failed attempt waits for nothing here, so its time tells nothing about the account;
- a flood of refusals costs a bounded number of rows a minute; the others are counted in a `gap` row;
- addresses and agents are sealed with the personal key of whom the row is about, as in the ledger, and end with it.

Like the traffic in miniature: one file takes rows while the other is stored, and a row that is there stays alone.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import msgspec
import psycopg
import structlog
from psycopg_pool import ConnectionPool, PoolTimeout

from mcphub.api.addresses import counted
from mcphub.api.incoming import Incoming, Note
from mcphub.domain.access import AccessModel
from mcphub.domain.ids import new_id
from mcphub.domain.vault import Vault
from mcphub.gateway.spool import Spool
from mcphub.periodic import end
from mcphub.postgres.access_log import AccessRow, add_rows
from mcphub.postgres.pool import explain

log = structlog.get_logger()

LONGEST_AGENT = 300  # characters
MINUTE = 60.0
GAP = "gap"
NOT_KEPT = "not_kept"
encode = msgspec.json.Encoder().encode
read_row = msgspec.json.Decoder(AccessRow).decode


class Flood:
    """How many refusals a minute has room for, of one address and of all together; the others are counted.

    Args:
        clock: seconds, monotonic.
    """

    PER_ADDRESS, IN_ALL = 10, 120

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minute = 0
        self._kept: Counter[str] = Counter()
        self.missed = 0

    def admits(self, address: str) -> bool:
        minute = int(self._clock() // MINUTE)
        if minute != self._minute:
            self._minute, self._kept = minute, Counter()
        if self._kept[address] >= self.PER_ADDRESS or self._kept.total() >= self.IN_ALL:
            self.missed += 1
            return False
        self._kept[address] += 1
        return True


class AccessLog:
    """The writer.

    Args:
        pool: connections in autocommit mode, as the application role.
        spool: of this log alone.
        node: name of this hub among others on the database.
        position: where this process has read the ledger to.
    """

    LINGER = 0.025  # seconds a row waits for company
    DRAIN_WITHIN = 5.0  # seconds
    RETRY_FROM, RETRY_TO = 0.1, 5.0  # seconds between attempts to reach PostgreSQL

    def __init__(
        self,
        pool: ConnectionPool,
        vault: Vault,
        model: AccessModel,
        spool: Spool,
        node: str,
        position: Callable[[], int],
    ) -> None:
        self._pool = pool
        self._vault = vault
        self._model = model
        self._spool = spool
        self._node = node
        self._position = position
        self._flood = Flood()
        self._gap: asyncio.TimerHandle | None = None
        self._under_way: set[asyncio.Task[None]] = set()
        self._rung = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    async def noted(self, here: Incoming, method: str, route: str) -> None:
        """Keeps what a request noted: when this returns, a row of what was done is in the spool.

        Args:
            route: the template of the address; '' for one that is none.
        """
        notes, here.notes = here.notes, []
        done = [note for note in notes if note.outcome == "done"]
        refused = [note for note in notes if note.outcome != "done" and self._admits(here.ip)]
        if refused:
            task = asyncio.create_task(self._keep(refused, here, method, route), name="access-note")
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)
        if done:
            await self._keep(done, here, method, route)

    def _admits(self, ip: str) -> bool:
        if self._flood.admits(counted(ip)):
            return True
        if self._gap is None:
            self._gap = asyncio.get_running_loop().call_later(MINUTE, self._report_gap)
        return False

    async def _keep(self, notes: Sequence[Note], here: Incoming, method: str, route: str) -> None:
        """What cannot be kept is in the log of the process; the sign-in itself is a fact."""
        at, position = datetime.now(UTC), max(self._position(), here.position)
        try:
            origins = await asyncio.to_thread(self._origins, notes, here)
            rows = [
                AccessRow(
                    id=new_id(),
                    at=at,
                    action=note.action,
                    outcome=note.outcome,
                    way=note.way,
                    actor=note.actor,
                    subject=self._subject(note),
                    name_digest=note.name_digest,
                    ip=ip,
                    agent=agent,
                    address=address,
                    method=method,
                    route=route,
                    request_id=here.request_id,
                    ledger_position=position,
                    node=self._node,
                )
                for note, (ip, agent, address) in zip(notes, origins, strict=True)
            ]
            await self._add(rows)
        except Exception as error:
            codes = [f"{note.action} {note.outcome}" for note in notes]
            log.error("access_not_noted", notes=codes, why=explain(error))

    def _subject(self, note: Note) -> str:
        """An address may name anybody; only users are somebody."""
        return note.subject if note.subject == note.actor or note.subject in self._model.users else ""

    def _origins(self, notes: Iterable[Note], here: Incoming) -> list[tuple[str, str, str]]:
        """(sealed address, sealed agent, '') where the row is about somebody, else ('', '', keyed digest)."""
        found = []
        for note in notes:
            owner = next((user for user in (note.actor, note.subject) if user in self._model.users), note.actor)
            user = self._model.users.get(owner)
            if not owner:
                found.append(("", "", self._vault.tag("address", here.ip) if here.ip else ""))
            elif user is not None and user.erased:
                found.append(("", "", ""))
            else:
                ip = self._vault.seal_personal(owner, "meta.ip", here.ip)
                found.append((ip, self._vault.seal_personal(owner, "meta.ua", here.agent[:LONGEST_AGENT]), ""))
        return found

    def _report_gap(self) -> None:
        self._gap = None
        missed, self._flood.missed = self._flood.missed, 0
        row = AccessRow(
            id=new_id(),
            at=datetime.now(UTC),
            action=GAP,
            outcome=NOT_KEPT,
            lost=missed,
            ledger_position=self._position(),
            node=self._node,
        )
        log.warning("access_refusals_not_kept", count=missed)
        task = asyncio.create_task(self._add([row]), name="access-gap")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _add(self, rows: Sequence[AccessRow]) -> None:
        try:
            self._spool.add(b"".join(encode(row) + b"\n" for row in rows))
        except OSError:  # the disk is full; the database may be elsewhere
            await asyncio.to_thread(self._store, rows)
        self._rung.set()

    # The role.

    async def start(self) -> None:
        """Rows that a former run left in the spool are the first to be stored."""
        self._rung.set()
        self._task = asyncio.create_task(self._run(), name="access-log")

    async def stop(self) -> None:
        """What cannot be stored now stays in the spool. Stopping twice is fine."""
        if self._task is None:
            return
        if self._gap is not None:
            self._gap.cancel()
            self._report_gap()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await end(self._task)
        self._task = None
        try:
            async with asyncio.timeout(self.DRAIN_WITHIN):
                await self._flush()
        except (TimeoutError, psycopg.Error, PoolTimeout):
            log.warning("access_left_in_spool", bytes=self._spool.size)
        self._spool.close()

    async def stored(self) -> None:
        """Returns once every row noted before is in PostgreSQL."""
        await asyncio.gather(*self._under_way)
        await self._flush()

    async def _run(self) -> None:
        delay = self.RETRY_FROM
        while True:
            await self._rung.wait()
            await asyncio.sleep(self.LINGER)
            self._rung.clear()
            try:
                await self._flush()
                delay = self.RETRY_FROM
            except Exception as error:  # whatever it is, rows wait in the spool
                log.warning("access_log_waits", why=explain(error), retry_in_s=delay)
                self._rung.set()
                await asyncio.sleep(delay)
                delay = min(delay * 2, self.RETRY_TO)

    async def _flush(self) -> None:
        async with self._flushing:
            while self._spool.size:
                self._spool.turn()
                for lines in self._spool.resting():
                    await asyncio.to_thread(self._store, list(_rows(lines)))
                self._spool.cut()

    def _store(self, rows: Sequence[AccessRow]) -> None:
        """One that PostgreSQL refuses does not keep the others back."""
        with self._pool.connection() as db:
            try:
                add_rows(db, rows)
            except (psycopg.DataError, psycopg.IntegrityError):
                for row in rows:
                    try:
                        add_rows(db, [row])
                    except (psycopg.DataError, psycopg.IntegrityError) as error:
                        log.error("access_row_refused", action=row.action, why=explain(error))


def _rows(lines: Iterable[bytes]) -> Iterable[AccessRow]:
    for line in lines:
        try:
            yield read_row(line)
        except msgspec.MsgspecError:
            log.error("access_row_unreadable", bytes=len(line))
