"""A REST service described by OpenAPI, spoken to as if it were an MCP server: one tool an operation, no state.

Promises:
- each call is one request with one user's values, and nothing of it is left for the next one;
- a request that may have been carried out is not sent again;
- what the caller is told of a refusal has none of the user's values in it.
"""

from collections.abc import Callable
from contextlib import suppress

import structlog
from multidict import CIMultiDict

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway import wire
from mcphub.gateway.protocol import INVALID_PARAMS, METHOD_NOT_FOUND
from mcphub.gateway.upstream import handshake, openapi_answer
from mcphub.gateway.upstream.clock import Clock
from mcphub.gateway.upstream.context import ACCEPT, CONTENT_TYPE, RequestHeaders
from mcphub.gateway.upstream.judged import Judged, judge
from mcphub.gateway.upstream.openapi_document import ApiDocument
from mcphub.gateway.upstream.openapi_documents import Documents
from mcphub.gateway.upstream.openapi_operation import Operation
from mcphub.gateway.upstream.openapi_request import BadArguments, Outgoing, arguments_of, request_of
from mcphub.gateway.upstream.openapi_security import Security, Shown
from mcphub.gateway.upstream.runtime import Caller, Identity, Reply, UpstreamFailed, UpstreamUnreachable
from mcphub.gateway.upstream.stderr import Stderr, secrets_of
from mcphub.gateway.upstream.transport import HttpResponse, HttpTransport, Transports, url_of
from mcphub.gateway.wire import Unreadable

log = structlog.get_logger()

MOST_ANSWER = 16 * 1024 * 1024  # bytes
MOST_ERROR = 64 * 1024
ANY_ANSWER = "application/json, */*;q=0.8"
COOKIE = "Cookie"


class OpenApiRuntime:
    """Implements Runtime.

    Args:
        proves: it is opened to see whether it works: the document is read now, and what gets tokens gets one.
    """

    modern = False
    kind = "openapi"
    pid: int | None = None
    ended = ""  # there is nothing that could end

    def __init__(
        self,
        spec: ServerSpec,
        identity: Identity,
        injected: Injected,
        transports: Transports,
        documents: Documents,
        *,
        user_id: str | None,
        hub_version: str,
        judged: Judged = lambda refused: None,
        proves: bool = False,
    ) -> None:
        """
        Raises:
            UpstreamBroken: its security cannot be what it says.
        """
        self.server_id = spec.server_id
        self.slug = spec.slug
        self.user_id = user_id
        self.session_id = ""
        self.initialize_result = b""
        self.log_level = ""
        self.trouble = ""  # why the latest request did not reach it
        agent = f"mcphub/{hub_version}"
        self._spec = spec
        self._own = identity if user_id is not None else None
        self._version = identity.protocol_version
        self._injected = injected
        self._transports = transports
        self._documents = documents
        self._judged = judged
        self._headers = RequestHeaders(spec, injected, agent)
        self._security = Security(injected.openapi.get("security") or {}, self._http, agent)
        self._secrets = secrets_of(spec, injected)
        self._proves = proves
        self._clocks: set[Clock] = set()

    def _http(self, named_by: str) -> HttpTransport:
        return self._transports.named_by(named_by, self._spec) if named_by else self._transports.for_server(self._spec)

    async def open(self) -> None:
        """
        Raises:
            UpstreamFailed: the document cannot be had or used.
        """
        if self._proves:
            document = await self._documents.anew(self._spec, self._injected, self._security.place)
            await self._security.shown()
        else:
            document = await self._document()
        version = self._version if self._version in handshake.VERSIONS else handshake.VERSIONS[0]
        result: dict[str, object] = {
            "protocolVersion": version,
            "capabilities": {"tools": {}},
            "serverInfo": {"name": document.title or self.slug, "version": document.version or "0"},
        }
        if document.about:
            result["instructions"] = document.about
        self.initialize_result = wire.encode(result)

    async def _document(self) -> ApiDocument:
        return await self._documents.of(self._spec, self._injected, self._security.place)

    # Runtime

    async def call(
        self,
        method: str,
        params: bytes,
        caller: Caller | None,
        *,
        timeout: float,  # noqa: ASYNC109
        reset_on_progress: bool,
        max_total: float,
        identity: Identity | None = None,
    ) -> Reply:
        """
        Args:
            identity: for whom, when it is not the one this was opened for.
        """
        if method == "ping":
            return Reply(result=b"{}")
        if method not in ("tools/list", "tools/call"):
            return Reply(error=wire.error(METHOD_NOT_FOUND, f"A REST service has no {method[:64]}."))
        clock = Clock(timeout, max_total, False)  # nothing reports progress here
        self._clocks.add(clock)
        try:
            with clock:
                document = await self._document()
                if method == "tools/list":
                    return Reply(result=document.tools)
                reply = await self._call(document, params, caller, self._own if identity is None else identity)
        except UpstreamUnreachable as error:
            self.trouble = "" if error.sent else str(error)
            raise
        finally:
            self._clocks.discard(clock)
        self.trouble = ""
        return reply

    async def notify(self, method: str, params: bytes) -> None:
        """Nobody there takes notifications."""

    async def close(self, reason: str, *, at_once: bool = False) -> None:
        for clock in list(self._clocks):
            clock.stop(UpstreamUnreachable(reason, sent=True))

    # a call

    async def _call(self, document: ApiDocument, params: bytes, caller: Caller | None, who: Identity | None) -> Reply:
        try:
            name, arguments = arguments_of(params)
        except (Unreadable, RecursionError):
            return Reply(error=wire.error(INVALID_PARAMS, "The arguments of a tool are an object."))
        operation = document.operations.get(name)
        if operation is None:
            return Reply(error=wire.error(INVALID_PARAMS, f"Unknown tool: {name[:200]}"))
        try:
            outgoing = request_of(operation, arguments)
        except BadArguments as error:
            return Reply(result=openapi_answer.failed(f"Nothing was sent: the arguments do not fit. {error}"))
        shown = await self._security.shown()
        return await self._sent(operation, outgoing, shown, self._headers.of(who, caller))

    async def _sent(self, operation: Operation, outgoing: Outgoing, shown: Shown, headers: CIMultiDict[str]) -> Reply:
        self._fill(headers, outgoing, shown)
        query = "&".join([*outgoing.query, *shown.query])
        url = url_of(f"{outgoing.url}?{query}" if query else outgoing.url)
        http = self._http(str(self._injected.openapi.get("url", "")))
        masked: Callable[[str], str] = str
        response = await http.send(outgoing.method, url, headers, outgoing.body)
        judge(response.status, self._judged)
        if response.status >= 400:
            body = await _beginning(response)
            masked = Stderr(self._secrets | self._security.secrets).masked
            if response.status == 401:
                self._security.refused(shown)
        else:
            body = await response.read(MOST_ANSWER)
        result = openapi_answer.result_of(
            response.status,
            response.headers.get("Content-Type", ""),
            body,
            uri=f"openapi://{self.slug}/{operation.tool}",
            masked=masked,
        )
        return Reply(result=result, refused=response.status == 401)

    def _fill(self, headers: CIMultiDict[str], outgoing: Outgoing, shown: Shown) -> None:
        """Arguments never take the place of what the hub, the administrator or the credentials say."""
        headers[ACCEPT] = ANY_ANSWER
        if outgoing.body is None:
            headers.pop(CONTENT_TYPE, None)
        else:
            headers[CONTENT_TYPE] = outgoing.media
        for name, value in outgoing.headers.items():
            if name not in headers:
                headers[name] = value
        for name, value in shown.headers.items():
            headers[name] = value
        cookies = [*([headers[COOKIE]] if COOKIE in headers else []), *outgoing.cookies, *shown.cookies]
        if cookies:
            headers[COOKIE] = "; ".join(cookies)


async def _beginning(response: HttpResponse) -> bytes:
    """Of an error's body, as much as is worth showing."""
    pieces, size = [], 0
    with suppress(UpstreamFailed):
        async for piece in response.chunks():
            pieces.append(piece)
            size += len(piece)
            if size > MOST_ERROR:
                break
    response.done()
    return b"".join(pieces)[:MOST_ERROR]
