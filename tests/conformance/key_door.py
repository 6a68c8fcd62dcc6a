"""A door before the hub for clients that can send no key: every request that passes gets one, nothing else changes."""

import asyncio
import threading
from contextlib import suppress


class KeyDoor:
    """Starts when entered, in a thread of its own; answers on `localhost`.

    Args:
        port: where it listens; the hub has to know the pages of this origin.
        hub_port: of the hub, on the loopback address.
        key: goes out as `x-mcphub-key`.
    """

    def __init__(self, port: int, hub_port: int, key: str) -> None:
        self.url = f"http://localhost:{port}"
        self._port = port
        self._hub_port = hub_port
        self._header = f"\r\nx-mcphub-key: {key}\r\n\r\n".encode()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "KeyDoor":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def _stop(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_hub, to_hub = await asyncio.open_connection("127.0.0.1", self._hub_port)
        back = asyncio.create_task(pump(from_hub, writer))
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    head = await reader.readuntil(b"\r\n\r\n")
                    to_hub.write(head.removesuffix(b"\r\n\r\n") + self._header)
                    to_hub.write(await reader.readexactly(body_length(head)))
                    await to_hub.drain()
        finally:
            back.cancel()
            to_hub.close()
            writer.close()


def body_length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        assert name != b"transfer-encoding", "this door passes only bodies of a known length"
        if name == b"content-length":
            return int(value)
    return 0


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """The hub's bytes, as they come; its end is the client's."""
    with suppress(ConnectionError):
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
        writer.close()
