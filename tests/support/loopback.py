"""A web server of a test on the loopback address, in a thread of its own: any test and any browser can ask it."""

import asyncio
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web


class Loopback:
    """Starts when entered, and is gone when left.

    Args:
        add: puts the routes into the application.
        tls: serve https with it.
        port: 0 takes a free one.
    """

    def __init__(
        self, add: Callable[[web.Application], None], *, tls: ssl.SSLContext | None = None, port: int = 0
    ) -> None:
        self._add = add
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None
        self.port = port

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> "Loopback":
        self._thread.start()
        self.run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        if self._runner is not None:
            self.run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def run(self, work: Awaitable[Any]) -> Any:
        """Runs it on the server's own loop and waits for it."""

        async def wrapped() -> Any:
            return await work

        return asyncio.run_coroutine_threadsafe(wrapped(), self._loop).result(10)

    async def _start(self) -> None:
        app = web.Application()
        self._add(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls).start()
        self.port = self._runner.addresses[0][1]
