"""A company's HTTP proxy: tunnels to names only it knows, for those who give its password."""

import asyncio
import threading
from base64 import b64encode
from contextlib import suppress


class CompanyProxy:
    """Starts when entered, in a thread of its own.

    Args:
        names: host name → port on the loopback address; every other is refused.
        password: as `user:password`; '' when it lets anybody through.
    """

    def __init__(self, names: dict[str, int], *, password: str = "") -> None:
        self.names = names
        self.tunnels: list[str] = []  # host:port, of those it opened
        self.refused: list[str] = []
        self._password = password
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        who = f"{self._password}@" if self._password else ""
        return f"http://{who}127.0.0.1:{self.port}"

    def __enter__(self) -> "CompanyProxy":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, target, _ = head.split("\r\n", 1)[0].split(" ")
            wanted = f"proxy-authorization: basic {b64encode(self._password.encode()).decode()}"
            host = target.rpartition(":")[0]
            if method != "CONNECT" or host not in self.names or (self._password and wanted.lower() not in head.lower()):
                self.refused.append(target)
                status = b"407 Proxy Authentication Required" if host in self.names else b"403 Forbidden"
                writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            self.tunnels.append(target)
            there, back = await asyncio.open_connection("127.0.0.1", self.names[host])
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            try:
                await asyncio.gather(_pipe(reader, back), _pipe(there, writer))
            finally:
                back.close()
        except (OSError, EOFError, ValueError):
            pass
        finally:
            writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
