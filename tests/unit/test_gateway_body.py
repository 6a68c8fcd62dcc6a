"""How long the door waits for a request's body."""

import asyncio
from typing import Any

import pytest

from mcphub.domain.access import AccessModel
from mcphub.gateway.front import Front, Refusal
from mcphub.gateway.session import Limits


def front(**limits: Any) -> Front:
    made = object.__new__(Front)  # nothing else of it is needed to read a body
    made._limits = Limits(**limits)
    made._model = AccessModel()
    return made


async def never() -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


async def test_a_body_that_does_not_arrive_is_given_up_and_the_request_goes_on() -> None:
    with pytest.raises(Refusal, match="did not arrive in time") as refused:
        await front(slow_body=0.01)._body({}, never)

    assert refused.value.status == 408
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_request_that_is_stopped_while_its_body_arrives_is_not_answered() -> None:
    reading = asyncio.create_task(front(slow_body=60)._body({}, never))
    await asyncio.sleep(0)

    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_a_body_in_time_leaves_no_deadline_behind() -> None:
    pieces = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.request", "body": b"b"}]

    async def receive() -> dict[str, Any]:
        return pieces.pop(0)

    assert await front(slow_body=0.01)._body({}, receive) == b"ab"
    await asyncio.sleep(0.05)  # past the deadline: nothing rings any more
