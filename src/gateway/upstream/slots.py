"""Runtimes in a pool: what each is for, how many there may be, how long one is kept unused."""

import asyncio
import time

from msgspec import Struct

from mcphub.domain.ids import new_id
from mcphub.domain.server_spec import ServerSpec
from mcphub.gateway.upstream.http import HttpRuntime
from mcphub.gateway.upstream.openapi import OpenApiRuntime
from mcphub.gateway.upstream.runtime import Identity, UpstreamUnavailable
from mcphub.gateway.upstream.sse import SseRuntime
from mcphub.gateway.upstream.stdio import StdioRuntime

Key = tuple[str, str, str, str, str]  # server, transport digest, user or '', version of the values, session or ''
Place = tuple[str, str]  # server, user or ''
Conversation = HttpRuntime | SseRuntime  # with what a server may take for abandoned
Open = Conversation | StdioRuntime | OpenApiRuntime

ONE_SHOT = "key:"  # instead of a session, for requests that belong to none
ONE_SHOT_IDLE = 60.0  # seconds
CONVERSATION_IDLE = 3600.0  # seconds: a conversation lives as long as its session, but not unused for ever


class Caps(Struct, frozen=True):
    """How many runtimes there may be; the least used idle one makes room for a new one."""

    processes_of_user: int = 20
    processes: int = 200
    connections_of_user: int = 500
    connections: int = 5000


class Slot:
    """One runtime, or its opening.

    Args:
        trial: opened for one look at the server, and never lent.
        ahead: opened before anybody asked for it, and not lent yet.
    """

    __slots__ = (
        "ahead", "id", "identity", "key", "last_used", "leases", "leaving", "opened_at", "opening", "reported",
        "runtime", "spec", "trial",
    )  # fmt: skip

    def __init__(self, key: Key, spec: ServerSpec, identity: Identity, *, trial: bool = False) -> None:
        self.id = new_id()
        self.key = key
        self.spec = spec
        self.identity = identity  # for whom it was opened first
        self.runtime: Open | None = None
        self.opening: asyncio.Task[UpstreamUnavailable | None] | None = None
        self.trial = trial
        self.ahead = False
        self.leases = int(trial)
        self.leaving = trial  # not lent any more
        self.reported = False  # its end
        self.opened_at = time.time()
        self.last_used = time.monotonic()

    @property
    def is_process(self) -> bool:
        return self.spec.type == "stdio"

    @property
    def session_id(self) -> str:
        """Of the only session it serves; '' when there is none or more than one."""
        return "" if self.key[4].startswith(ONE_SHOT) else self.key[4]

    @property
    def place(self) -> Place:
        return self.key[0], self.key[2]

    @property
    def idle_seconds(self) -> float:
        """How long without a lease until it is ended."""
        if self.is_process:
            return self.spec.idle_timeout_ms / 1000
        if self.key[4].startswith(ONE_SHOT):
            return ONE_SHOT_IDLE
        return CONVERSATION_IDLE if self.key[4] else self.spec.idle_timeout_ms / 1000

    def wants_ping(self, now: float) -> bool:
        """Is it a conversation the upstream might take for abandoned?"""
        runtime, every = self.runtime, self.spec.keep_alive_ms / 1000
        if not isinstance(runtime, Conversation) or not every or not runtime.in_session:
            return False
        return not self.key[4].startswith(ONE_SHOT) and now - max(self.last_used, runtime.pinged) > every


class Crowd(Struct, frozen=True):
    """Runtimes that are counted together.

    Args:
        what: in words, and whose.
    """

    slots: list[Slot]
    most: int
    what: str

    @property
    def full(self) -> bool:
        return len(self.slots) >= self.most

    @property
    def least_used(self) -> Slot | None:
        """To be ended for another: what nobody asked for yet, then what idles longest; None when all are in use."""
        idle = [slot for slot in self.slots if not slot.leases and not slot.leaving and slot.runtime is not None]
        return min(idle, key=lambda slot: (not slot.ahead, slot.last_used), default=None)

    @property
    def said(self) -> str:
        return f"all {self.most} {self.what} are in use"


def key_of(spec: ServerSpec, identity: Identity) -> Key:
    """What a runtime is for. `shared` is believed only of a server that takes nothing of a user."""
    if spec.isolation == "shared" and not spec.slots:
        return (spec.server_id, spec.transport_digest, "", "", "")
    session = ""
    if spec.isolation == "per-session":
        session = identity.session_id or ONE_SHOT + identity.key_id + identity.declared
    elif identity.declared and spec.type == "streamable-http":
        session = ONE_SHOT + identity.declared  # it may be of another era than what older clients share
    return (spec.server_id, spec.transport_digest, identity.user_id, identity.credential_version, session)
