"""A call of a 2026-07-28 client: one run at the upstream, and as many HTTP requests as it has questions.

This revision lets no server ask in the middle of an answer: the answer is the question, and the client's next request
brings the reply. An older upstream asks and waits. So its call goes on in a task of its own while the client is away;
`requestState` is a random number that finds it again, and that says nothing to anybody else.

Spec: MCP 2026-07-28, Multi round-trip requests.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from typing import Protocol

from msgspec import Struct

from mcphub.domain.access import Principal
from mcphub.gateway import wire
from mcphub.gateway.bridge import Question
from mcphub.gateway.errors import CONNECTION_CLOSED, METHOD_NOT_FOUND
from mcphub.gateway.traffic import Request, TrafficWriter
from mcphub.gateway.upstream.runtime import Reply

TTL = 600.0  # seconds a client may take for its questions
MOST_OF_USER = 50
MOST = 5000
TOGETHER = 0.02  # seconds: questions asked at once are asked together


class Round(Protocol):
    """One HTTP request that waits for the call's next word."""

    def put(self, frame: bytes, *, droppable: bool = False) -> None: ...

    def over(self, frame: bytes) -> None:
        """The answer itself."""

    def asked(self, questions: Mapping[str, Question], state: str) -> None:
        """Questions instead of the answer."""


class Resumable(Protocol):
    """The call behind a conversation."""

    request: Request

    def cancel(self, reason: str) -> None: ...


class Subject(Struct, frozen=True):
    """Who asked for what: a state is good for the same again and for nothing else."""

    principal: Principal
    path: str
    method: str
    name: str


class Conversation:
    """What the call is told and asked while its client comes and goes; the relay's `Answerer`."""

    def __init__(self, parked: "Parked", subject: Subject) -> None:
        self.subject = subject
        self.call: Resumable | None = None
        self.final = b""
        self._parked = parked
        self._round: Round | None = None
        self._questions: dict[str, tuple[Question, asyncio.Future[Reply]]] = {}
        self._count = 0
        self._soon: asyncio.TimerHandle | None = None

    def attach(self, round_: Round) -> None:
        """A request of the client waits from now on."""
        self._round = round_
        if self.final:
            self._deliver()
        elif self._questions:
            self._ask_soon()

    def give_up(self, reason: str) -> None:
        """Nobody waits for it any more."""
        if self.call is not None and not self.final:
            self.call.cancel(reason)

    def resumed(self, request: Request, traffic: TrafficWriter) -> None:
        """From now on its row is that of the request with which the client came back."""
        if (call := self.call) is not None and not self.final:
            for name in ("server", "tool", "ledger_position", "credential_version"):
                setattr(request, name, getattr(call.request, name))
            call.request = request
            traffic.started(request)

    # Answerer

    def put(self, frame: bytes, *, droppable: bool = False) -> None:
        if self._round is not None:
            self._round.put(frame, droppable=droppable)

    async def finish(self, frame: bytes) -> None:
        self.final = frame
        for _, future in self._questions.values():
            if not future.done():
                future.set_result(Reply(error=wire.error(CONNECTION_CLOSED, "The call is over.")))
        self._questions.clear()
        self._deliver()

    def _deliver(self) -> None:
        if self._round is not None:
            round_, self._round = self._round, None
            round_.over(self.final)

    # questions

    async def ask(self, method: str, params: bytes) -> Reply:
        """Waits until the client comes back with the reply."""
        self._count += 1
        key = f"q{self._count}"
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._questions[key] = (Question(method, params), future)
        self._ask_soon()
        try:
            return await future
        finally:
            self._questions.pop(key, None)

    def answered(self, responses: Mapping[str, bytes]) -> None:
        """Replies by key; what is not answered is asked again."""
        for key, raw in responses.items():
            if key in self._questions:
                _, future = self._questions.pop(key)
                if not future.done():
                    future.set_result(Reply(result=raw))

    def _ask_soon(self) -> None:
        if self._soon is None and self._round is not None:
            self._soon = asyncio.get_running_loop().call_later(TOGETHER, self._ask)

    def _ask(self) -> None:
        self._soon = None
        questions = {key: asked for key, (asked, future) in self._questions.items() if not future.done()}
        if self._round is None or not questions or self.final:
            return
        round_, self._round = self._round, None
        state = self._parked.park(self)
        if not state:
            for _, future in self._questions.values():
                if not future.done():
                    future.set_result(Reply(error=wire.error(METHOD_NOT_FOUND, "Too many calls wait for answers.")))
            self._round = round_
            return
        round_.asked(questions, state)


class Parked:
    """Conversations whose client is away, by state."""

    def __init__(self) -> None:
        self._waiting: dict[str, tuple[Conversation, asyncio.TimerHandle]] = {}
        self._again: dict[str, tuple[Subject, asyncio.TimerHandle]] = {}
        #: told the conversation whose client did not come back in time
        self.expired: Callable[[Conversation], None] = lambda conversation: None

    def __len__(self) -> int:
        return len(self._waiting)

    def park(self, conversation: Conversation) -> str:
        """The state to come back with; '' when there is no room for another."""
        user = conversation.subject.principal.user_id
        own = sum(waiting.subject.principal.user_id == user for waiting, _ in self._waiting.values())
        if own >= MOST_OF_USER or len(self._waiting) >= MOST:
            return ""
        state = secrets.token_urlsafe(24)
        timer = asyncio.get_running_loop().call_later(TTL, self._expire, state)
        self._waiting[state] = (conversation, timer)
        return state

    def take(self, state: str, subject: Subject) -> Conversation | None:
        """The conversation of this state, if it is this subject's; it is good once."""
        found = self._waiting.get(state)
        if found is None or found[0].subject != subject:
            return None
        conversation, timer = self._waiting.pop(state)
        timer.cancel()
        return conversation

    def end(self, reason: str) -> None:
        """Whose clients are away are given up."""
        for conversation, timer in self._waiting.values():
            timer.cancel()
            conversation.give_up(reason)
        self._waiting.clear()

    def _expire(self, state: str) -> None:
        conversation, _ = self._waiting.pop(state)
        self.expired(conversation)

    # calls that begin anew: nothing was sent, and the client only had to enter something first

    def again(self, subject: Subject) -> str:
        """A state for the same call from the beginning."""
        while len(self._again) >= MOST:
            _, timer = self._again.pop(next(iter(self._again)))
            timer.cancel()
        state = secrets.token_urlsafe(24)
        timer = asyncio.get_running_loop().call_later(TTL, lambda: self._again.pop(state, None))
        self._again[state] = (subject, timer)
        return state

    def may_begin_again(self, state: str, subject: Subject) -> bool:
        found = self._again.get(state)
        if found is None or found[0] != subject:
            return False
        del self._again[state]
        found[1].cancel()
        return True
