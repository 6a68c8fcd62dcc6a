"""How long a call may take."""

import asyncio
from types import TracebackType

from mcphub.gateway.upstream.runtime import UpstreamFailed, UpstreamTimeout


class Clock:
    """Bounds what is awaited inside `with clock:`; like asyncio.timeout, but for signs of life and for being stopped.

    Args:
        timeout: seconds without a sign of life.
        max_total: seconds in all.
        resets: signs of life count.

    Raises:
        UpstreamTimeout: at the end of the block, when the time was over.
    """

    __slots__ = ("_before", "_end", "_error", "_handle", "_loop", "_max_total", "_resets", "_task", "_timeout")

    def __init__(self, timeout: float, max_total: float, resets: bool) -> None:
        self._timeout = timeout
        self._max_total = max_total
        self._resets = resets
        self._error: UpstreamFailed | None = None
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> "Clock":
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        assert self._task is not None
        self._before = self._task.cancelling()
        now = self._loop.time()
        self._end = now + self._max_total
        self._handle = self._loop.call_at(min(now + self._timeout, self._end), self._ring)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.cancel()
        task, self._task = self._task, None  # from here on nothing rings
        if self._error is None or task is None:
            return
        # Somebody else may have cancelled the task in the same moment; that one goes on.
        if task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise self._error from None

    def sign_of_life(self) -> None:
        """Progress was reported: the time without any begins anew."""
        if self._resets and self._error is None and self._task is not None:
            self._handle.cancel()
            self._handle = self._loop.call_at(min(self._loop.time() + self._timeout, self._end), self._ring)

    def stop(self, error: UpstreamFailed) -> None:
        """Ends the block now, with this error."""
        if self._error is None and self._task is not None:
            self._error = error
            self._task.cancel()

    def _ring(self) -> None:
        seconds = self._max_total if self._handle.when() >= self._end else self._timeout
        self.stop(UpstreamTimeout(f"no answer within {seconds:g} s", seconds))
