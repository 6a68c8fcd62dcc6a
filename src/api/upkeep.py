"""The values users saved, looked over: what is wrong with them, who has which, and orphans purged.

Nothing here shows a value or a mask. A value is opened only where its check at saving may no longer hold: its slot has
a pattern, and its server's configuration changed since. That is in memory, and all that stays of it is yes or no.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType
from psycopg.rows import class_row

from mcphub.api.schemas import Out
from mcphub.api.services import Services
from mcphub.domain.access import ALL, Credential, Principal
from mcphub.domain.orphans import BATCH, Orphan, PurgeOrphans, is_orphan, orphans
from mcphub.domain.settings_state import ServerState
from mcphub.domain.slots import Slot, is_slot
from mcphub.domain.substitution import check_value
from mcphub.domain.vault import Unopenable
from mcphub.gateway.values import PURPOSE, place

Code = Literal["ORPHANED_KEY", "MISSING_KEY", "INVALID_KEY_FORMAT", "DB_INCONSISTENCY"]
Severity = Literal["ERROR", "WARNING", "INFO"]
Place = tuple[str, str, str]  # user, server, variable

AT_ONCE = 64  # users, whose access is asked for without a pause
LOOKS = 3  # at the read table, until it stands where this process does
TRACKED = "select position from public.tracking where name = 'credentials' and status = 'live'"
ROWS = "select user_id, server_id, variable, data_key, position from credentials"
LIVING_KEYS = "select id::text from public.data_key where purpose = 'token'"


class Issue(Out, kw_only=True):
    """Something about one variable of one server. `server` is the last name of one that is gone."""

    code: Code
    severity: Severity
    user_id: str | UnsetType = UNSET
    username: str | UnsetType = UNSET
    server: str
    name: str
    detail: str


class Removal(Out, kw_only=True):
    """An orphan that was, or would be, purged."""

    user_id: str
    username: str | UnsetType = UNSET
    server: str
    name: str


class _Row(Struct, frozen=True):
    user_id: str
    server_id: str
    variable: str
    data_key: str
    position: int

    @property
    def place(self) -> Place:
        return self.user_id, self.server_id, self.variable


class Upkeep:
    """Looks at everybody's values: for administrators, and for the hub's own rounds."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._model = services.model

    async def issues(self) -> list[Issue]:
        """Everything that is wrong now, by code and in a fixed order."""
        found = [
            *self._orphaned(),
            *await self._missing(),
            *await self._misformed(),
            *await self._inconsistent(),
        ]
        return sorted(found, key=lambda issue: (issue.code, issue.server, issue.name, issue.user_id or ""))

    async def purge(self, *, dry_run: bool) -> list[Orphan]:
        """What is purged for good, or with `dry_run` what would be.

        Raises:
            Refused: it stopped half-way; what was purged before is purged.
        """
        found = orphans(self._model)
        if dry_run:
            return found
        removed: list[Orphan] = []
        for start in range(0, len(found), BATCH):
            batch = found[start : start + BATCH]
            done = await self._services.commands.run(lambda batch=batch: PurgeOrphans(batch))  # type: ignore[misc]
            removed += done.command.removed
            await asyncio.to_thread(self._destroy, [orphan.data_key for orphan in done.command.removed])
        return removed

    def removals(self, found: Iterable[Orphan]) -> list[Removal]:
        return [
            Removal(
                user_id=orphan.user_id,
                server=self._server_name(orphan.server_id),
                name=self._slot_name(orphan.server_id, orphan.variable),
            )
            for orphan in found
        ]

    async def access(self) -> dict[str, set[str]]:
        """Server id → ids of the users whose next call of it would be let through. Calls get their turn in between."""
        found: dict[str, set[str]] = {server_id: set() for server_id in self._model.servers}
        at = datetime.now(UTC)
        for number, user in enumerate(list(self._model.users.values()), 1):
            reasons = self._model.reasons(Principal(user.user_id), ALL, at) if user.active else {}
            for server_id, reason in reasons.items():
                if reason == "allowed":
                    found.setdefault(server_id, set()).add(user.user_id)
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
        return found

    def holders(self, server_id: str, variable: str) -> set[str]:
        """Ids of the active users who have a value there."""
        return {
            user_id
            for user_id, servers in self._model.credentials.items()
            if variable in servers.get(server_id, {}) and self._active(user_id)
        }

    def in_order(self) -> list[ServerState]:
        settings = self._model.settings
        return [settings.servers[server_id] for server_id in settings.order if settings.servers[server_id].slots]

    # what is wrong

    def _orphaned(self) -> list[Issue]:
        out = []
        for orphan in orphans(self._model):
            gone = orphan.server_id not in self._model.servers
            why = "its server is gone" if gone else "its server no longer asks for it"
            out.append(self._issue("ORPHANED_KEY", "WARNING", _place(orphan), f"{why}; a clean-up destroys the value"))
        return out

    async def _missing(self) -> list[Issue]:
        """Whoever never saved anything may not use the hub yet: that is news, and no fault."""
        out, access = [], await self.access()
        for server in self.in_order():
            needed = [slot for slot in server.slots.values() if slot.required and not slot.default]
            for user_id in sorted(access.get(server.server_id, ())) if needed else ():
                stored = self._model.credentials_of(user_id, server.server_id)
                begun = any(self._model.credentials.get(user_id, {}).values())
                severity: Severity = "WARNING" if begun else "INFO"
                out += [
                    self._issue(
                        "MISSING_KEY",
                        severity,
                        (user_id, server.server_id, slot.canonical),
                        "calls are refused until the user enters it",
                    )
                    for slot in needed
                    if slot.canonical not in stored
                ]
        return out

    async def _misformed(self) -> list[Issue]:
        out, doubtful = [], []
        for at, stored in self._stored():
            _, server_id, variable = at
            if not (is_slot(variable) or is_slot(f"USER_{variable}")):
                out.append(
                    self._issue("INVALID_KEY_FORMAT", "ERROR", at, "no configuration can ask for a variable so named")
                )
            elif not is_orphan(self._model.servers, server_id, variable):
                server = self._model.servers[server_id]
                if server.slots[variable].pattern and server.changed_at > stored.position:
                    doubtful.append((at, server.slots[variable], stored))
        unfit = await asyncio.to_thread(self._unfit, doubtful) if doubtful else []
        detail = "the value no longer has the form the server asks for"
        return out + [self._issue("INVALID_KEY_FORMAT", "WARNING", at, detail) for at in unfit]

    async def _inconsistent(self) -> list[Issue]:
        stored = dict(self._stored())
        async with self._services.read.connection() as db:
            living = {row[0] for row in await (await db.execute(LIVING_KEYS)).fetchall()}
        out = [
            self._issue("DB_INCONSISTENCY", "ERROR", at, "its data key is gone, so the value cannot be opened")
            for at, credential in stored.items()
            if credential.data_key not in living and self._now(at) is credential  # not one cleared meanwhile
        ]
        detail = "the read table and the access model differ; rebuild `credentials`"
        return out + [self._issue("DB_INCONSISTENCY", "ERROR", at, detail) for at in await self._differing()]

    async def _differing(self) -> list[Place]:
        """Where the read table says something else than this process; [] while the two do not stand at one position."""
        for _ in range(LOOKS):
            position = self._model.position
            await self._services.commands.shown(position)
            known = {at: (value.data_key, value.position) for at, value in self._stored()}
            async with (
                self._services.read.connection() as db,
                db.transaction(),
                db.cursor(row_factory=class_row(_Row)) as cursor,
            ):
                await db.execute("set transaction isolation level repeatable read")
                tracked = await (await db.execute(TRACKED)).fetchone()
                rows = await (await cursor.execute(ROWS)).fetchall()
            if tracked is None or tracked[0] != position or self._model.position != position:
                continue
            table = {row.place: (row.data_key, row.position) for row in rows}
            return sorted(at for at in known.keys() | table.keys() if known.get(at) != table.get(at))
        return []

    def _unfit(self, doubtful: Sequence[tuple[Place, Slot, Credential]]) -> list[Place]:
        """In a thread: opens each, asks, and forgets. One that cannot be opened is another kind of issue."""
        out = []
        for at, slot, stored in doubtful:
            try:
                if check_value(slot, self._services.vault.open(stored.sealed, PURPOSE, place(*at))) is not None:
                    out.append(at)
            except Unopenable:
                continue
        return out

    # parts

    def _stored(self) -> list[tuple[Place, Credential]]:
        return [
            ((user_id, server_id, variable), stored)
            for user_id, servers in self._model.credentials.items()
            for server_id, values in servers.items()
            for variable, stored in values.items()
        ]

    def _now(self, at: Place) -> Credential | None:
        return self._model.credentials_of(at[0], at[1]).get(at[2])

    def _active(self, user_id: str) -> bool:
        user = self._model.users.get(user_id)
        return user is not None and user.active

    def _issue(self, code: Code, severity: Severity, at: Place, detail: str) -> Issue:
        user_id, server_id, variable = at
        return Issue(
            code=code,
            severity=severity,
            user_id=user_id,
            server=self._server_name(server_id),
            name=self._slot_name(server_id, variable),
            detail=detail,
        )

    def _server_name(self, server_id: str) -> str:
        server = self._model.servers.get(server_id)
        return server.name if server is not None else self._model.settings.removed.get(server_id, server_id)

    def _slot_name(self, server_id: str, variable: str) -> str:
        server = self._model.servers.get(server_id)
        slot = server.slots.get(variable) if server is not None else None
        return slot.name if slot is not None else variable

    def _destroy(self, data_keys: Iterable[str]) -> None:
        for data_key in data_keys:
            self._services.vault.destroy(data_key)


def counted(issues: Iterable[Issue]) -> Mapping[str, int]:
    """Code → how many."""
    return dict(sorted(Counter(issue.code for issue in issues).items()))


def _place(orphan: Orphan) -> Place:
    return orphan.user_id, orphan.server_id, orphan.variable
