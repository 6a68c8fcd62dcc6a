"""A REST service written by hand for one test, with the document that describes it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web

Answer = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Came:
    """One request as it was on the wire."""

    method: str
    target: str  # path and query, encoded
    headers: dict[str, str]
    body: bytes


def document(*operations: tuple[str, str, dict[str, Any]], version: str = "3.1.0", **more: Any) -> dict[str, Any]:
    """(method, path, operation)…"""
    paths: dict[str, Any] = {}
    for method, path, operation in operations:
        described = {"responses": {"200": {"description": "ok"}}, **operation}
        paths.setdefault(path, {})[method] = described
    return {"openapi": version, "info": {"title": "things", "version": "7"}, "paths": paths, **more}


LIST = ("get", "/things", {"operationId": "list_things", "summary": "All things"})


class Api:
    """Answers `document` at /openapi.json, and what `on["METHOD /path"]` says; else what came, as JSON."""

    def __init__(self) -> None:
        self.url = ""
        self.document: dict[str, Any] | str = document(LIST)
        self.document_status = 200
        self.reading: Answer | None = None  # answers for the document
        self.on: dict[str, Answer] = {}
        self.seen: list[Came] = []

    @property
    def described_at(self) -> str:
        return f"{self.url}/openapi.json"

    def calls(self) -> list[Came]:
        """Without those for the document."""
        return [came for came in self.seen if not came.target.startswith("/openapi.json")]

    def reads(self) -> list[Came]:
        return [came for came in self.seen if came.target.startswith("/openapi.json")]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Came(request.method, request.raw_path, headers, body))
        if request.path == "/openapi.json" and self.reading is not None:
            return await self.reading(request, body)
        if request.path == "/openapi.json":
            if isinstance(self.document, str):
                return web.Response(text=self.document, status=self.document_status)
            return web.json_response(self.document, status=self.document_status)
        answer = self.on.get(f"{request.method} {request.path}")
        if answer is not None:
            return await answer(request, body)
        return web.json_response({"target": request.raw_path, "body": body.decode("utf-8", "replace")})


@asynccontextmanager
async def api() -> AsyncIterator[Api]:
    made = Api()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


def answering(body: bytes | str, *, status: int = 200, media: str = "application/json") -> Answer:
    async def answer(request: web.Request, came: bytes) -> web.StreamResponse:
        raw = body.encode() if isinstance(body, str) else body
        return web.Response(body=raw, status=status, headers={"Content-Type": media} if media else {})

    return answer
