"""The headers that tell an upstream for whom a call is made. Never a credential of another server, never the hub's.

Source: the contract of this hub, section 6.5.
"""

import time
from collections.abc import Mapping
from urllib.parse import quote

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.gateway.upstream.runtime import Caller, Identity

KNOWN = {
    "GITHUB_TOKEN": "GitHub-Token",
    "ATLASSIAN_TOKEN": "Atlassian-Token",
    "ATLASSIAN_API_TOKEN": "Atlassian-Token",
    "JIRA_API_TOKEN": "Jira-Token",
    "FIRECRAWL_TOKEN": "Firecrawl-Token",
}
HOP_BY_HOP = {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "host"}


def token_header(canonical: str) -> str:
    """`CRAWL_TENANT` → `X-MCPHub-Crawl-Tenant`."""
    words = "-".join(word.capitalize() for word in canonical.split("_") if word)
    return f"X-MCPHub-{KNOWN.get(canonical, words)}"


def fixed_headers(spec: ServerSpec, identity: Identity, injected: Injected) -> dict[str, str]:
    """What stays the same for all calls of a runtime."""
    headers = {name: value for name, value in injected.headers.items() if name.lower() not in HOP_BY_HOP}
    if spec.context_headers != "none":
        session = identity.session_id
        headers |= {
            "X-MCPHub-User-Id": identity.user_id,
            "X-MCPHub-User-Session-Id": f"{identity.user_id[:8]}-{session[:8] or 'none'}",
            "X-MCPHub-Session-Id": session or "none",
            "X-MCPHub-Source-Server": quote(spec.name, safe=""),
            "X-MCPHub-Protocol-Version": identity.protocol_version,
            "X-MCPHub-User-Groups": ",".join(quote(group, safe="") for group in identity.groups),
        }
        for canonical, slot in spec.slots.items():
            only_env = set(slot.placements) == {"env"}
            value = injected.env.get(canonical) or injected.env.get(slot.name)
            if value and (only_env or spec.context_headers == "tokens"):
                headers[token_header(canonical)] = value
    return headers


def call_headers(spec: ServerSpec, caller: Caller | None) -> Mapping[str, str]:
    """What differs from call to call."""
    if caller is None:
        return {}
    headers = {}
    if spec.context_headers != "none":
        headers["X-MCPHub-Request-Id"] = caller.request_id
        headers["X-MCPHub-Timestamp"] = str(int(time.time() * 1000))
        if caller.traceparent:
            headers["traceparent"] = caller.traceparent
    for name in spec.passthrough_headers:
        if (value := caller.headers.get(name)) is not None:
            headers[name] = value
    return headers
