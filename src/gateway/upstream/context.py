"""The headers of requests to an HTTP upstream: its template filled in for one user, and whom a call is for.

The client's own Authorization and Cookie are in none of them. What the hub says of a caller cannot be said by a
template, a token or a client: it is written last.
"""

import time
from collections.abc import Mapping
from urllib.parse import quote

from multidict import CIMultiDict, istr

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.slots import canonical, is_slot
from mcphub.domain.substitution import Injected, fits_header
from mcphub.gateway.upstream.runtime import Caller, Identity

SESSION, VERSION = istr("Mcp-Session-Id"), istr("MCP-Protocol-Version")
REQUEST_ID, TIMESTAMP = istr("X-MCPHub-Request-Id"), istr("X-MCPHub-Timestamp")
TRACEPARENT, TRACESTATE = istr("traceparent"), istr("tracestate")
ACCEPT, CONTENT_TYPE, LAST_EVENT_ID = istr("Accept"), istr("Content-Type"), istr("Last-Event-ID")
NOBODY = object()
EVENTS = "text/event-stream"
JSON_OR_EVENTS = f"application/json, {EVENTS}"

# What is about one connection or about the hub itself; no template and no client decides it.
NOT_FROM_TEMPLATES = {
    *("host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "expect"),
    *("content-type", "content-encoding", "accept", "accept-encoding", "mcp-session-id", "mcp-protocol-version"),
    *("last-event-id",),
}
NOT_FROM_CLIENTS = NOT_FROM_TEMPLATES | {"authorization", "cookie", "traceparent", "tracestate"}
REFUSED_PREFIXES = ("x-mcphub-", "proxy-")
# What the hub says of a caller; with `contextHeaders: none` it says nothing, and a template may use the names.
SAID_OF_CALLERS = {
    *("x-mcphub-user-id", "x-mcphub-user-session-id", "x-mcphub-session-id", "x-mcphub-request-id"),
    *("x-mcphub-timestamp", "x-mcphub-source-server", "x-mcphub-protocol-version", "x-mcphub-user-groups"),
    *("traceparent", "tracestate"),
}
# Names an earlier hub gave to these tokens, which servers out there read.
TOKEN_HEADERS = {
    "GITHUB_TOKEN": "X-MCPHub-GitHub-Token",
    "ATLASSIAN_TOKEN": "X-MCPHub-Atlassian-Token",
    "ATLASSIAN_API_TOKEN": "X-MCPHub-Atlassian-Token",
    "JIRA_API_TOKEN": "X-MCPHub-Jira-Token",
    "FIRECRAWL_TOKEN": "X-MCPHub-Firecrawl-Token",
}


class RequestHeaders:
    """Makes the headers of each request of one runtime.

    Args:
        agent: the User-Agent, unless the template has one.
    """

    def __init__(self, spec: ServerSpec, injected: Injected, agent: str) -> None:
        self._spec = spec
        self.says_who = spec.context_headers != "none"
        self._passed = tuple(
            (name, istr(name))
            for name in spec.passthrough_headers
            if name not in NOT_FROM_CLIENTS and not name.startswith(REFUSED_PREFIXES)
        )
        reserved = NOT_FROM_TEMPLATES | SAID_OF_CALLERS if self.says_who else NOT_FROM_TEMPLATES
        fixed: CIMultiDict[str] = CIMultiDict({"User-Agent": agent})
        for name, value in (*injected.headers.items(), *token_headers(spec, injected).items()):
            if name.lower() not in reserved and not name.lower().startswith("proxy-"):
                fixed[name] = value
        fixed["Content-Type"] = "application/json"
        fixed["Accept"] = JSON_OR_EVENTS
        fixed["Accept-Encoding"] = "identity"
        self._fixed = fixed
        self._session = ""
        self._version = ""
        self._ready = fixed
        self._ready_for: Identity | object | None = NOBODY

    def conversation(self, session_id: str, version: str) -> None:
        """From now on requests belong to this session of the upstream, or to none, and speak this revision."""
        self._session = session_id
        self._version = version
        self._ready_for = NOBODY

    def first(self, identity: Identity | None) -> CIMultiDict[str]:
        """For `initialize`, which belongs to no session yet."""
        headers = self.of(identity, None)
        headers.pop(SESSION, None)
        headers.pop(VERSION, None)
        return headers

    def of(self, identity: Identity | None, caller: Caller | None) -> CIMultiDict[str]:
        """For one request, to be changed at will.

        Args:
            identity: None for what a conversation that everybody shares does for nobody in particular.
        """
        if identity is not self._ready_for:
            self._ready = self._for(identity)
            self._ready_for = identity
        headers = self._ready.copy()
        if self.says_who:
            headers[TIMESTAMP] = str(int(time.time() * 1000))
            if caller is not None:
                headers[REQUEST_ID] = caller.request_id
                if caller.traceparent:
                    headers[TRACEPARENT] = caller.traceparent
                    if caller.tracestate:
                        headers[TRACESTATE] = caller.tracestate
        if self._passed and caller is not None:
            inbound = caller.headers
            for name, header in self._passed:
                value = inbound.get(name)
                if value is not None:
                    headers[header] = value
        return headers

    def _for(self, identity: Identity | None) -> CIMultiDict[str]:
        headers = self._fixed.copy()
        if self.says_who and identity is not None:
            headers.update(identity_headers(self._spec, identity))
        if self._session:
            headers[SESSION] = self._session
        if self._version:
            headers[VERSION] = self._version
        return headers


def for_stream(headers: CIMultiDict[str], last_id: str = "") -> CIMultiDict[str]:
    """The same headers for a GET that asks for events; `last_id` is where to take them up."""
    headers[ACCEPT] = EVENTS
    headers.pop(CONTENT_TYPE, None)
    if last_id:
        headers[LAST_EVENT_ID] = last_id
    return headers


def identity_headers(spec: ServerSpec, identity: Identity) -> Mapping[str, str]:
    found = {
        "X-MCPHub-User-Id": identity.user_id,
        "X-MCPHub-Source-Server": quote(spec.name, safe=""),
        "X-MCPHub-Protocol-Version": identity.protocol_version,
        "X-MCPHub-User-Groups": ",".join(quote(name, safe="") for name in identity.groups),
    }
    if identity.session_id:
        found["X-MCPHub-Session-Id"] = identity.session_id
        found["X-MCPHub-User-Session-Id"] = f"{identity.user_id[:8]}-{identity.session_id[:8]}"
    return found


def token_headers(spec: ServerSpec, injected: Injected) -> Mapping[str, str]:
    """The server's own variables as headers: all of them when it asks for tokens; else those it declares as
    environment entries, which a remote server has no other way to receive.
    """
    if spec.context_headers == "none":
        return {}
    if spec.context_headers == "tokens":
        values = dict(injected.values)
    else:
        values = {canonical(name): injected.env[name] for name in spec.env if is_slot(name) and name in injected.env}
    return {token_header(name): value for name, value in values.items() if fits_header(value)}


def token_header(name: str) -> str:
    """`CRAWL_TENANT` → `X-MCPHub-Crawl-Tenant`."""
    words = "-".join(word.capitalize() for word in name.split("_") if word)
    return TOKEN_HEADERS.get(name, f"X-MCPHub-{words}")
