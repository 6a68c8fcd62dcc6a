"""Read model `slots`: the variables each living server asks its users for; the settings form is made of it."""

from msgspec import Struct

from mcphub.domain.codec import Recorded
from mcphub.domain.events import SecretSlotDeclared, SecretSlotRetired, ServerRemoved
from mcphub.projections.projection import Projection, Rows


class SlotRow(Struct, frozen=True, kw_only=True):
    server_id: str
    variable: str
    name: str
    placements: list[str]
    label: str
    description: str
    help_url: str
    placeholder: str
    pattern: str
    required: bool
    secret: bool
    sort_order: int
    position: int


class Slots(Projection[SlotRow]):
    name = "slots"
    row = SlotRow
    key_columns = ("server_id", "variable")
    handles = (SecretSlotDeclared, SecretSlotRetired, ServerRemoved)
    ddl = """
        create table slots (
            server_id   text    not null,
            variable    text    not null,
            name        text    not null,
            placements  text[]  not null,
            label       text    not null,
            description text    not null,
            help_url    text    not null,
            placeholder text    not null,
            pattern     text    not null,
            required    boolean not null,
            secret      boolean not null,
            sort_order  integer not null,
            position    bigint  not null,
            primary key (server_id, variable)
        );
    """

    def key(self, recorded: Recorded) -> tuple[str, str] | Rows:
        event = recorded.event
        if isinstance(event, SecretSlotDeclared | SecretSlotRetired):
            return (event.server_id, event.variable)
        return Rows("server_id", event.server_id)  # type: ignore[attr-defined]

    def evolve(self, row: SlotRow | None, recorded: Recorded) -> SlotRow | None:
        match recorded.event:
            case SecretSlotDeclared() as event:
                return SlotRow(
                    server_id=event.server_id,
                    variable=event.variable,
                    name=event.name,
                    placements=list(event.placements),
                    label=event.label,
                    description=event.description,
                    help_url=event.help_url,
                    placeholder=event.placeholder,
                    pattern=event.pattern,
                    required=event.required,
                    secret=event.secret,
                    sort_order=event.sort_order,
                    position=recorded.position,
                )
            case SecretSlotRetired() | ServerRemoved():
                return None
        return row
