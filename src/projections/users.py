"""Read model `users`: one row per living user, for the admin list, the session check and the caller's own page."""

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct
from msgspec.structs import replace

from mcphub.domain.codec import Recorded
from mcphub.domain.events import (
    UNDONE,
    AdminGranted,
    AdminRevoked,
    AuditorGranted,
    AuditorRevoked,
    Event,
    SignedIn,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserPreferencesChanged,
    UserProfileSynced,
    UserRegistered,
    UserRestored,
)
from mcphub.projections.projection import Projection

PREFERENCES = ("language", "time_zone", "theme", "density", "exposure_mode", "show_why", "pinned_tools")
SYNCED = ("display_name", "email")
OF_ACCOUNTS: dict[type[Event], dict[str, Any]] = {
    UserActivated: {"active": True, "was_active": True},
    UserDeleted: {"active": False, "deleted": True},
    UserRestored: {"deleted": False},
    AdminGranted: {"admin": True},
    AdminRevoked: {"admin": False},
    AuditorGranted: {"auditor": True},
    AuditorRevoked: {"auditor": False},
}


class UserRow(Struct, frozen=True, kw_only=True, gc=False):
    user_id: str
    username: str  # sealed; the API opens it
    display_name: str  # sealed
    email: str  # sealed
    provider: str
    active: bool = False
    was_active: bool = False
    admin: bool = False
    auditor: bool = False
    deleted: bool = False
    language: str = ""
    time_zone: str = ""
    theme: str = "system"
    density: str = "comfortable"
    exposure_mode: str = "auto"
    show_why: bool = False
    pinned_tools: list[str] = []
    registered_at: datetime
    last_sign_in_at: datetime | None = None
    position: int  # of the last event that changed this row: the row's ETag


class Users(Projection[UserRow]):
    name = "users"
    version = 3
    row = UserRow
    key_columns = ("user_id",)
    handles = (
        UserRegistered,
        UserActivated,
        UserDeactivated,
        UserDeleted,
        UserRestored,
        UserErased,
        AdminGranted,
        AdminRevoked,
        AuditorGranted,
        AuditorRevoked,
        SignedIn,
        UserPreferencesChanged,
        UserProfileSynced,
    )
    last_counts = {SignedIn: "user_id"}  # noqa: RUF012
    ddl = """
        create table users (
            user_id         text        primary key,
            username        text        not null,
            display_name    text        not null,
            email           text        not null,
            provider        text        not null,
            active          boolean     not null,
            was_active      boolean     not null,
            admin           boolean     not null,
            auditor         boolean     not null,
            deleted         boolean     not null,
            language        text        not null,
            time_zone       text        not null,
            theme           text        not null,
            density         text        not null,
            exposure_mode   text        not null,
            show_why        boolean     not null,
            pinned_tools    text[]      not null,
            registered_at   timestamptz not null,
            last_sign_in_at timestamptz,
            position        bigint      not null
        );
    """
    indexes = "create index users_registered on users (registered_at desc, user_id desc);"

    def key(self, recorded: Recorded) -> tuple[str]:
        return (recorded.event.user_id,)  # type: ignore[attr-defined]

    def evolve(self, row: UserRow | None, recorded: Recorded) -> UserRow | None:
        event, position = recorded.event, recorded.position
        if type(event) is UserRegistered:
            return UserRow(
                user_id=event.user_id,
                username=event.username,
                display_name=event.display_name,
                email=event.email,
                provider=event.provider,
                registered_at=recorded.at,
                position=position,
            )
        if row is None or type(event) is UserErased:
            return None
        return replace(row, **_changed(row, recorded), position=position)


def _changed(row: UserRow, recorded: Recorded) -> dict[str, Any]:
    event = recorded.event
    if type(event) is UserPreferencesChanged:  # first what there is much of
        return {name: value for name in PREFERENCES if (value := getattr(event, name)) is not UNSET}
    if type(event) is UserProfileSynced:
        return {name: value for name in SYNCED if (value := getattr(event, name)) is not UNSET}
    if type(event) is SignedIn:
        return {"last_sign_in_at": recorded.at}
    if type(event) is UserDeactivated:
        return {"active": False, "was_active": row.was_active and event.cause != UNDONE}
    return OF_ACCOUNTS[type(event)]
