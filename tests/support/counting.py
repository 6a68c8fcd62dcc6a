"""A read table in which an event applied twice, or left out, shows at once."""

from msgspec import Struct

from mcphub.domain.codec import Recorded
from mcphub.domain.events import UserRegistered
from mcphub.projections.projection import Projection


class CountRow(Struct, frozen=True, kw_only=True):
    one: bool
    users: int


class Count(Projection[CountRow]):
    """How many users were ever registered."""

    name = "count"
    row = CountRow
    key_columns = ("one",)
    handles = (UserRegistered,)
    ddl = "create table count (one boolean primary key, users bigint not null);"

    def key(self, recorded: Recorded) -> tuple[bool]:
        return (True,)

    def evolve(self, row: CountRow | None, recorded: Recorded) -> CountRow | None:
        return CountRow(one=True, users=row.users + 1 if row else 1)
