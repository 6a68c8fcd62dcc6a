"""Where a user is signed in, of browsers and scripts: for the user, and for administrators."""

import asyncio
from datetime import datetime

from msgspec import Struct
from psycopg.rows import class_row

from mcphub.api.auth.session_times import SessionTimes
from mcphub.api.caller import Caller
from mcphub.api.schemas import Envelope, Out
from mcphub.api.services import Services
from mcphub.domain.codec import decode, decode_meta
from mcphub.domain.events import SignedIn

SIGNED_IN = """
    select position, recorded_at, data::text as data, meta::text as meta
    from public.ledger where position = any(%s)
"""


class BrowserSession(Out, kw_only=True):
    """`current`: the one this was asked with."""

    id: str
    kind: str
    current: bool
    signed_in_at: datetime
    expires_at: datetime
    ip: str
    agent: str


class SessionsAnswer(Envelope, kw_only=True):
    data: list[BrowserSession]


class _Row(Struct):
    position: int
    recorded_at: datetime
    data: str
    meta: str


async def sessions_of(services: Services, user_id: str, caller: Caller) -> list[BrowserSession]:
    """The living ones, newest first, for the user or an administrator to see."""
    open_ = dict(services.model.users[user_id].sessions)
    until = await asyncio.to_thread(SessionTimes(services.write).living, open_)
    async with services.read.connection() as db, db.cursor(row_factory=class_row(_Row)) as cursor:
        await cursor.execute(SIGNED_IN, ([open_[session_id] for session_id in until],))
        rows = {row.position: row for row in await cursor.fetchall()}
    return await asyncio.to_thread(_shown, services, user_id, caller, open_, until, rows)


def _shown(
    services: Services,
    user_id: str,
    caller: Caller,
    open_: dict[str, int],
    until: dict[str, datetime],
    rows: dict[int, _Row],
) -> list[BrowserSession]:
    found = []
    for session_id, expires_at in until.items():
        row = rows.get(open_[session_id])
        if row is None:
            continue
        fact, meta = decode(row.data), decode_meta(row.meta)
        own = meta.actor == user_id  # sealed with the key of whoever acted
        found.append(
            BrowserSession(
                id=session_id,
                kind=fact.kind if isinstance(fact, SignedIn) else "browser",
                current=session_id == caller.session_id,
                signed_in_at=row.recorded_at,
                expires_at=expires_at,
                ip=services.vault.open_personal(meta.ip, meta.actor, "meta.ip") if own else "",
                agent=services.vault.open_personal(meta.ua, meta.actor, "meta.ua") if own else "",
            )
        )
    return sorted(found, key=lambda session: session.signed_in_at, reverse=True)
