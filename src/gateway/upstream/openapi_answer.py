"""What a service answered, as the result of a tool call.

Pure: no I/O. A body that is a JSON object stands in the result as the bytes it came in.

Spec: MCP 2025-11-25, Tools, Tool Result.
"""

from base64 import b64encode
from collections.abc import Callable
from http import HTTPStatus

import msgspec

from mcphub.gateway import wire

MOST_ERROR = 4000  # characters of an error's body that the caller is shown
TEXTS = ("text/", "application/xml", "application/yaml", "application/x-yaml", "application/javascript")
TEXT_ENDINGS = ("json", "+xml", "+yaml", "/x-ndjson", "/x-www-form-urlencoded", "/graphql")


def result_of(status: int, media: str, body: bytes, *, uri: str, masked: Callable[[str], str]) -> bytes:
    """
    Args:
        media: its Content-Type, with parameters.
        uri: names what comes as a file.
        masked: takes the user's values out of a text.
    """
    kind = media.partition(";")[0].strip().lower()
    if status >= 400:
        return failed(_refusal(status, masked(_decoded(body, media))))
    if not body:
        return said(_status(status))
    if kind == "application/json" or kind.endswith("+json") or not kind:
        found = _json(body)
        if found is not None:
            return found
    if kind.startswith(TEXTS) or kind.endswith(TEXT_ENDINGS) or (not kind and _is_text(body)):
        return said(_decoded(body, media))
    data = b64encode(body).decode()
    if kind.startswith(("image/", "audio/")):
        return _result({"type": kind.partition("/")[0], "data": data, "mimeType": kind})
    resource = {"uri": uri, "mimeType": kind or "application/octet-stream", "blob": data}
    return _result({"type": "resource", "resource": resource})


def said(text: str) -> bytes:
    return _result({"type": "text", "text": text})


def failed(text: str) -> bytes:
    return wire.encode({"content": [{"type": "text", "text": text}], "isError": True})


def _result(block: dict[str, object]) -> bytes:
    return wire.encode({"content": [block], "isError": False})


def _json(body: bytes) -> bytes | None:
    """The result for a JSON body; None when it is none."""
    try:
        text = body.decode("utf-8-sig")
        whole = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=msgspec.Raw)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
    content = wire.encode([{"type": "text", "text": text}])
    if bytes(whole).lstrip()[:1] != b"{":
        return b'{"content":%b,"isError":false}' % content
    return b'{"content":%b,"structuredContent":%b,"isError":false}' % (content, wire.one_line(bytes(whole)))


def _decoded(body: bytes, media: str) -> str:
    charset = "utf-8"
    for parameter in media.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip("\"'")
    try:
        return body.decode(charset, "replace")
    except (LookupError, ValueError):  # no charset, or one that knows no "replace"
        return body.decode("utf-8", "replace")


def _is_text(body: bytes) -> bool:
    try:
        return "\0" not in body.decode()
    except UnicodeDecodeError:
        return False


def _status(status: int) -> str:
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"


def _refusal(status: int, text: str) -> str:
    head = _status(status)
    if status in (401, 403):
        head += ": the values saved for it may be wrong or expired"
    shown = text.strip()
    if len(shown) > MOST_ERROR:
        shown = shown[:MOST_ERROR] + " …"
    return f"{head}\n{shown}" if shown else head
