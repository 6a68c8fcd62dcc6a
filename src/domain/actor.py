"""Who causes a change: the envelope's metadata, carried by a context variable.

The API middleware, the gateway, the command line and the background roles set ACTOR; an append without it is refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

ActorKind = Literal["user", "key", "system", "anonymous"]


class Meta(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the ledger keeps beside each event. `ip` and `ua` are sealed under the actor's personal data key."""

    actor: str
    actor_kind: ActorKind = "user"
    source: Literal["ui", "api", "mcp", "cli", "system"] = "api"
    ip: str = ""
    ua: str = ""
    request_id: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    command: str = ""


ACTOR: ContextVar[Meta | None] = ContextVar("ACTOR", default=None)


class ActorMissing(RuntimeError):
    """Code wants to append an event and nobody said who causes it."""

    def __init__(self) -> None:
        super().__init__("append without an actor: set ACTOR first (middleware, command line and roles do)")


def current() -> Meta:
    """The actor of this context.

    Raises:
        ActorMissing: nobody set one; nothing may be appended.
    """
    meta = ACTOR.get()
    if meta is None or not meta.actor:
        raise ActorMissing
    return meta


@contextmanager
def acting(meta: Meta) -> Iterator[Meta]:
    """Runs a block as this actor."""
    token = ACTOR.set(meta)
    try:
        yield meta
    finally:
        ACTOR.reset(token)


def system(role: str, *, causation_id: str = "", correlation_id: str = "") -> Meta:
    """The hub itself acting in one of its roles: `system:bootstrap`, `system:expiry`, `system:erasure`."""
    return Meta(
        actor=f"system:{role}",
        actor_kind="system",
        source="system",
        causation_id=causation_id,
        correlation_id=correlation_id,
    )


def named(meta: Meta, command: str) -> Meta:
    """The same actor, running this command."""
    return replace(meta, command=command)
