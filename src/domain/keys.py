"""MCPHub keys: how an IDE proves who its user is.

Rules held here:
- a key lives 1 to 90 days, and a user holds at most 10 usable ones, each with a name of its own;
- a revoked key never comes back; an expired one can be extended for 30 days;
- a rotated key works on for its grace, beside its successor;
- who was deleted or erased is given none.

The key itself is shown once and kept nowhere: events carry its keyed digest.
"""

import secrets
import string
import zlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from eventsourcing.dcb.domain import Selector
from msgspec import UNSET, Struct, UnsetType

from mcphub.domain.errors import (
    BadName,
    ExpiryOutOfRange,
    GraceOutOfRange,
    KeyIsRevoked,
    KeyLimit,
    KeyNameTaken,
    KeyTooLongExpired,
    UnknownKey,
    UserIsDeleted,
    UserIsErased,
)
from mcphub.domain.events import (
    Event,
    KeyExpired,
    KeyExtended,
    KeyFirstUsed,
    KeyIssued,
    KeyRenamed,
    KeyRevoked,
    KeyRotated,
    Scope,
    UserDeleted,
    UserErased,
    UserRestored,
    key_tag,
    user_tag,
)
from mcphub.domain.hub import Command

PREFIX = "mcphub_"
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
PAIRS = [first + second for first in BASE62 for second in BASE62]
RANDOM, CHECK = 32, 6  # characters
MOST_KEYS = 10
MOST_DAYS = 90
MOST_GRACE_MINUTES = 24 * 60
EXTENDABLE = timedelta(days=30)
MOST_NAME = 100


Standing = Literal["active", "rotating", "expired", "revoked"]


def key_standing(at: datetime, *, revoked: bool, expires_at: datetime, grace_until: datetime | None) -> Standing:
    """How a key stands; one that was rotated is as good as revoked once its grace is over."""
    if revoked or (grace_until is not None and grace_until <= at):
        return "revoked"
    if expires_at <= at:
        return "expired"
    return "rotating" if grace_until is not None else "active"


def new_key() -> str:
    """A fresh key: `mcphub_`, 32 random base62 characters (190 bits), and 6 of a CRC32 over what stands before."""
    body = PREFIX + "".join(secrets.choice(BASE62) for _ in range(RANDOM))
    return body + _checksum(body)


def well_formed(key: str) -> bool:
    """Does the checksum fit? Typos and garbage are refused before anything is looked up."""
    if len(key) != len(PREFIX) + RANDOM + CHECK or not key.startswith(PREFIX):
        return False
    return _checksum(key[:-CHECK]) == key[-CHECK:]


def _checksum(body: str) -> str:
    """Six digits of base 62, two at a time: every request has its key checked."""
    rest, last = divmod(zlib.crc32(body.encode()), len(PAIRS))
    first, middle = divmod(rest, len(PAIRS))
    return PAIRS[first] + PAIRS[middle] + PAIRS[last]


class KeyState(Struct):
    name: str
    expires_at: datetime
    description: str = ""
    header_only: bool = False
    scope: Scope | None = None
    revoked: bool = False
    expired_noted: bool = False
    used: bool = False
    grace_until: datetime | None = None

    def usable(self, now: datetime) -> bool:
        return not self.revoked and now < self.expires_at and (self.grace_until is None or now < self.grace_until)


class KeyCommand(Command):
    """All keys of one user, because names and the number of keys are rules among them."""

    def __init__(self, user_id: str, key_id: str, now: datetime) -> None:
        self.user_id = user_id
        self.key_id = key_id
        self.now = now
        self.keys: dict[str, KeyState] = {}
        self.deleted = self.erased = False

    def consistency_boundary(self) -> Sequence[Selector]:
        types: list[type[Event]] = [
            KeyIssued,
            KeyRenamed,
            KeyExtended,
            KeyRotated,
            KeyRevoked,
            KeyExpired,
            KeyFirstUsed,
            UserDeleted,
            UserRestored,
            UserErased,
        ]
        return [Selector(types=types, tags=[user_tag(self.user_id)])]

    def evolve(self, event: Event) -> None:
        match event:
            case KeyIssued():
                self.keys[event.key_id] = KeyState(
                    event.name, event.expires_at, event.description, event.header_only, event.scope
                )
            case KeyRenamed():
                for name in ("name", "description", "header_only", "scope"):
                    if (value := getattr(event, name)) is not UNSET:
                        setattr(self.keys[event.key_id], name, value)
            case KeyExtended():
                self.keys[event.key_id].expires_at = event.expires_at
                self.keys[event.key_id].expired_noted = False
            case KeyRotated():
                self.keys[event.key_id].grace_until = event.grace_until
            case KeyRevoked():
                self.keys[event.key_id].revoked = True
            case KeyExpired():
                self.keys[event.key_id].expired_noted = True
            case KeyFirstUsed():
                self.keys[event.key_id].used = True
            case UserDeleted():
                self.deleted = True
            case UserRestored():
                self.deleted = False
            case UserErased():
                self.erased = True
                self.keys.clear()

    def key(self) -> KeyState:
        try:
            return self.keys[self.key_id]
        except KeyError:
            raise UnknownKey(self.key_id) from None

    def tags(self, *more: str) -> list[str]:
        return [user_tag(self.user_id), key_tag(self.key_id), *more]

    def others(self) -> list[KeyState]:
        """The user's other usable keys; a rotated one is on its way out, and its successor counts for it."""
        return [
            state
            for key_id, state in self.keys.items()
            if key_id != self.key_id and state.usable(self.now) and state.grace_until is None
        ]

    def must_be_free(self, name: str) -> None:
        if any(state.name.casefold() == name.casefold() for state in self.others()):
            raise KeyNameTaken(name)

    def must_fit(self, name: str) -> None:
        """There is room for one more usable key, of this name."""
        if len(self.others()) >= MOST_KEYS:
            raise KeyLimit(MOST_KEYS)
        self.must_be_free(name)


def checked_name(name: str) -> str:
    """
    Raises:
        BadName: empty, too long, or with control characters.
    """
    name = name.strip()
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise BadName("key", MOST_NAME)
    return name


def expiry(now: datetime, days: int) -> datetime:
    """
    Raises:
        ExpiryOutOfRange: not 1 to 90 days.
    """
    if not 1 <= days <= MOST_DAYS:
        raise ExpiryOutOfRange(days)
    return now + timedelta(days=days)


class IssueKey(KeyCommand):
    """Give a user a new key. An id that was given already writes nothing.

    Args:
        digest, shown: the keyed digest of the key, and the key's first 4 and last 4 characters.

    Raises:
        BadName, ExpiryOutOfRange: see there.
        KeyLimit: the user holds 10 usable keys.
        KeyNameTaken: a usable key of the user has the name.
        UserIsDeleted, UserIsErased: nobody to hold it, also when that happened while the key was being made.
    """

    def __init__(
        self,
        user_id: str,
        key_id: str,
        now: datetime,
        *,
        name: str,
        days: int,
        digest: str,
        shown: tuple[str, str],
        description: str = "",
        header_only: bool = False,
        scope: Scope | None = None,
    ) -> None:
        super().__init__(user_id, key_id, now)
        self.name = checked_name(name)
        self.expires_at = expiry(now, days)
        self.digest = digest
        self.shown = shown
        self.more: dict[str, Any] = {"description": description, "header_only": header_only, "scope": scope}

    def execute(self) -> None:
        if self.erased:
            raise UserIsErased(self.user_id)
        if self.deleted:
            raise UserIsDeleted(self.user_id)
        if self.key_id in self.keys:
            return  # the same request, sent again
        self.must_fit(self.name)
        self.trigger_event(
            KeyIssued,
            self.tags(),
            key_id=self.key_id,
            user_id=self.user_id,
            name=self.name,
            digest=self.digest,
            prefix=self.shown[0],
            last4=self.shown[1],
            expires_at=self.expires_at,
            **self.more,
        )


class ChangeKey(KeyCommand):
    """Rename a key or change its description, scope or header-only flag; only differences are recorded.

    Raises:
        UnknownKey, KeyIsRevoked, KeyNameTaken, BadName: see there.
    """

    def __init__(
        self,
        user_id: str,
        key_id: str,
        now: datetime,
        *,
        name: str | UnsetType = UNSET,
        description: str | UnsetType = UNSET,
        header_only: bool | UnsetType = UNSET,
        scope: Scope | UnsetType | None = UNSET,
    ) -> None:
        super().__init__(user_id, key_id, now)
        self.wanted: dict[str, Any] = {
            "name": name,
            "description": description,
            "header_only": header_only,
            "scope": scope,
        }

    def execute(self) -> None:
        key = self.key()
        if key.revoked:
            raise KeyIsRevoked(self.key_id)
        if isinstance(name := self.wanted["name"], str):
            self.wanted["name"] = name = checked_name(name)
            if name != key.name:
                self.must_be_free(name)
        changed = {
            name: value for name, value in self.wanted.items() if value is not UNSET and value != getattr(key, name)
        }
        if changed:
            self.trigger_event(KeyRenamed, self.tags(), key_id=self.key_id, user_id=self.user_id, **changed)


class ExtendKey(KeyCommand):
    """Let a key live for `days` from now, or, to take that back, until a time that lies ahead.

    Raises:
        UnknownKey, KeyIsRevoked, ExpiryOutOfRange: see there.
        KeyTooLongExpired: it expired more than 30 days ago.
        KeyLimit, KeyNameTaken: it had expired, and other keys took its place or its name meanwhile.
    """

    def __init__(
        self, user_id: str, key_id: str, now: datetime, *, days: int = MOST_DAYS, until: datetime | None = None
    ) -> None:
        super().__init__(user_id, key_id, now)
        if until is not None and until <= now:
            raise ExpiryOutOfRange(0)
        self.expires_at = until or expiry(now, days)

    def execute(self) -> None:
        key = self.key()
        if key.revoked or key.grace_until is not None:
            raise KeyIsRevoked(self.key_id)
        if self.now - key.expires_at > EXTENDABLE:
            raise KeyTooLongExpired(self.key_id)
        if not key.usable(self.now):
            self.must_fit(key.name)
        if self.expires_at != key.expires_at:
            self.trigger_event(
                KeyExtended, self.tags(), key_id=self.key_id, user_id=self.user_id, expires_at=self.expires_at
            )


class RotateKey(KeyCommand):
    """Issue a successor with the same name, scope and remaining kind; the old key works on for the grace.

    Raises:
        UnknownKey, KeyIsRevoked: revoked, expired or rotated already.
        GraceOutOfRange: not 0 to 1440 minutes.
    """

    def __init__(
        self,
        user_id: str,
        key_id: str,
        now: datetime,
        *,
        successor: str,
        digest: str,
        shown: tuple[str, str],
        grace_minutes: int,
        days: int = MOST_DAYS,
    ) -> None:
        super().__init__(user_id, key_id, now)
        if not 0 <= grace_minutes <= MOST_GRACE_MINUTES:
            raise GraceOutOfRange(grace_minutes)
        self.successor = successor
        self.digest = digest
        self.shown = shown
        self.grace_until = now + timedelta(minutes=grace_minutes)
        self.expires_at = expiry(now, days)

    def execute(self) -> None:
        key = self.key()
        if self.successor in self.keys:
            return  # the same request, sent again
        if not key.usable(self.now) or key.grace_until is not None:
            raise KeyIsRevoked(self.key_id)
        self.trigger_event(
            KeyIssued,
            [user_tag(self.user_id), key_tag(self.successor)],
            key_id=self.successor,
            user_id=self.user_id,
            name=key.name,
            digest=self.digest,
            prefix=self.shown[0],
            last4=self.shown[1],
            expires_at=self.expires_at,
            description=key.description,
            header_only=key.header_only,
            scope=key.scope,
        )
        self.trigger_event(
            KeyRotated,
            self.tags(key_tag(self.successor)),
            key_id=self.key_id,
            user_id=self.user_id,
            successor=self.successor,
            grace_until=self.grace_until,
        )


class RevokeKey(KeyCommand):
    """At once and final. Revoking a revoked key writes nothing.

    Raises:
        UnknownKey: the user has no such key.
    """

    def execute(self) -> None:
        if not self.key().revoked:
            self.trigger_event(KeyRevoked, self.tags(), key_id=self.key_id, user_id=self.user_id)


class RevokeKeys(KeyCommand):
    """All keys of a user, the expired ones too, so that none comes back. With none left writes nothing.

    `revoked` says how many there were.
    """

    def __init__(self, user_id: str, now: datetime) -> None:
        super().__init__(user_id, "", now)
        self.revoked = 0

    def execute(self) -> None:
        for key_id in [key_id for key_id, key in self.keys.items() if not key.revoked]:
            tags = [user_tag(self.user_id), key_tag(key_id)]
            self.trigger_event(KeyRevoked, tags, key_id=key_id, user_id=self.user_id)
            self.revoked += 1


class NoteKeyExpired(KeyCommand):
    """The audit line of an expiry, written by the scheduler; what counts is the clock at each use."""

    def execute(self) -> None:
        key = self.keys.get(self.key_id)
        if key is not None and not key.revoked and not key.expired_noted and self.now >= key.expires_at:
            self.trigger_event(KeyExpired, self.tags(), key_id=self.key_id, user_id=self.user_id)


class NoteKeyFirstUsed(KeyCommand):
    """The first use of a key; later ones only move a counter."""

    def execute(self) -> None:
        key = self.keys.get(self.key_id)
        if key is not None and not key.used:
            self.trigger_event(KeyFirstUsed, self.tags(), key_id=self.key_id, user_id=self.user_id)
