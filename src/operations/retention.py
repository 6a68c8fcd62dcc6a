"""How far back the logs go that are not kept for ever, and how far back they may: health and `mcphub doctor` ask it.

Days of calls and of the access log are dropped whole once they are sealed (sealing.py), kept arguments and results some
at a time (gateway/payloads.py). The ledger is never shortened.
"""

from datetime import date
from typing import Any

from msgspec import Struct

from mcphub.settings import Settings

# Sealing waits for the end of a day, and a round for the one before.
GRACE = 2  # days
PARTITIONS = """
    (select min(to_date(right(relname, 8), 'YYYYMMDD')) from pg_inherits join pg_class on pg_class.oid = inhrelid
     where inhparent = 'public.{}'::regclass)
"""
OLDEST = f"""
    select (clock_timestamp() at time zone 'UTC')::date, {PARTITIONS.format("traffic")},
           {PARTITIONS.format("access_log")},
           (select (min(at) at time zone 'UTC')::date from public.request_payload)
"""


class Kept(Struct, frozen=True):
    """Of a log: how many days it goes back, and how many it may."""

    days: int
    most: int

    @property
    def late(self) -> bool:
        return self.days > self.most + GRACE


def kept(row: tuple[Any, ...], settings: Settings) -> dict[str, Kept]:
    """
    Args:
        row: of `OLDEST`.
    """
    today, calls, access, payloads = row
    return {
        "calls": Kept(_days(today, calls), settings.traffic_days),
        "access": Kept(_days(today, access), settings.access_days),
        "payloads": Kept(_days(today, payloads), settings.payload_days),
    }


def _days(today: date, oldest: date | None) -> int:
    return max(0, (today - oldest).days) if oldest else 0
