"""How old the last backup is, by the record: what the page of health and `mcphub doctor` go by.

Backups that the hub knows nothing of, of a managed database say, do not count; who has only those says so by
`MCPHUB_BACKUP_DAYS=0`.
"""

from datetime import timedelta
from typing import Any, Literal

from msgspec import Struct

# Of a restored hub the backup that it was made of counts. With its own schema, for whatever search path.
AGES = """
    select clock_timestamp()
               - (select (data ->> 'made_at')::timestamptz from public.ledger
                  where tags @> '{backups}' order by position desc limit 1),
           clock_timestamp() - (select recorded_at from public.ledger where position = 1)
"""

Code = Literal["recent", "old", "never", "young", "elsewhere"]


class BackupAge(Struct, frozen=True):
    """
    Args:
        code: `young`: there was none yet, and the hub is not as old as one may be; `elsewhere`: nobody wants to know.
        age: of the last backup; of the hub when there was none.
    """

    code: Code
    age: timedelta

    @property
    def late(self) -> bool:
        return self.code in ("old", "never")


def backup_age(row: tuple[Any, ...], days: int) -> BackupAge:
    """
    Args:
        row: of `AGES`.
        days: how old a backup may be; 0 for any age.
    """
    last, began = row
    most = timedelta(days=days)
    age: timedelta = began or timedelta(0) if last is None else last
    if not days:
        return BackupAge("elsewhere", age)
    if last is None:
        return BackupAge("never" if age > most else "young", age)
    return BackupAge("old" if age > most else "recent", age)
