"""Read model `credentials`: one row per stored value of a user, sealed; rows of removed servers are orphans."""

from datetime import datetime

from msgspec import Struct

from mcphub.domain.codec import Recorded
from mcphub.domain.events import ServiceTokenRemoved, ServiceTokenSaved, UserErased
from mcphub.projections.projection import Projection, Rows


class CredentialRow(Struct, frozen=True, kw_only=True, gc=False):
    user_id: str
    server_id: str
    variable: str
    data_key: str
    sealed: str
    mask: str
    fingerprint: str
    saved_at: datetime
    position: int


class Credentials(Projection[CredentialRow]):
    name = "credentials"
    row = CredentialRow
    key_columns = ("user_id", "server_id", "variable")
    handles = (ServiceTokenSaved, ServiceTokenRemoved, UserErased)
    ddl = """
        create table credentials (
            user_id     text        not null,
            server_id   text        not null,
            variable    text        not null,
            data_key    text        not null,
            sealed      text        not null,
            mask        text        not null,
            fingerprint text        not null,
            saved_at    timestamptz not null,
            position    bigint      not null,
            primary key (user_id, server_id, variable)
        );
    """

    def key(self, recorded: Recorded) -> tuple[str, str, str] | Rows:
        event = recorded.event
        if type(event) is UserErased:
            return Rows("user_id", event.user_id)
        return (event.user_id, event.server_id, event.variable)  # type: ignore[attr-defined]

    def evolve(self, row: CredentialRow | None, recorded: Recorded) -> CredentialRow | None:
        event = recorded.event
        if type(event) is ServiceTokenSaved:
            return CredentialRow(
                user_id=event.user_id,
                server_id=event.server_id,
                variable=event.variable,
                data_key=event.data_key,
                sealed=event.sealed,
                mask=event.mask,
                fingerprint=event.fingerprint,
                saved_at=recorded.at,
                position=recorded.position,
            )
        return None  # removed, or its user erased
