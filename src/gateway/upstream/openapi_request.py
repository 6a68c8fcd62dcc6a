"""A tool's arguments as the HTTP request that its operation asks for.

Pure: no I/O. A value cannot leave its place: in the path and in the query everything that could end it is encoded.

Spec: OpenAPI 3.1.1, Parameter Object, Style Values, Encoding Object; RFC 7578.
"""

import binascii
import re
import secrets
from base64 import b64decode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import msgspec
from msgspec import Raw, Struct

from mcphub.gateway import wire
from mcphub.gateway.upstream.openapi_operation import VARIABLE, Body, Operation, Parameter, Part, Style

RESERVED = ":/?@!$'()*,;"  # what `allowReserved` leaves as it is; the others would end a value or begin another one
DELIMITERS = {"form": ",", "spaceDelimited": "%20", "pipeDelimited": "%7C"}
PLAIN = Style("form", True)
NUMBER = re.compile(rb"-?[0-9]")

Pairs = list[tuple[str, str]]


class BadArguments(Exception):
    """Arguments no request can be made of; the text names them."""


class Outgoing(Struct, frozen=True):
    """
    Args:
        query: encoded, without `?`.
        cookies: encoded pairs.
    """

    method: str
    url: str
    query: tuple[str, ...]
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    media: str
    body: bytes | None


def request_of(operation: Operation, arguments: Mapping[str, Raw]) -> Outgoing:
    """
    Args:
        arguments: by their names in the tool, raw JSON.

    Raises:
        BadArguments: see there.
    """
    asked = {parameter.argument for parameter in operation.parameters}
    if operation.body is not None:
        asked.add(operation.body.argument)
    if unknown := arguments.keys() - asked:
        raise BadArguments(f"there is no {', '.join(sorted(unknown))[:200]}; it takes {', '.join(sorted(asked))[:500]}")
    in_path: dict[str, str] = {}
    query: list[str] = []
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for parameter in operation.parameters:
        raw = bytes(arguments.get(parameter.argument, b"null"))
        if raw == b"null":
            if parameter.required:
                raise BadArguments(f"{parameter.argument} is missing")
            continue
        value = _decoded(raw)
        match parameter.where:
            case "path":
                in_path[parameter.name] = _in_path(parameter, value)
            case "query":
                query += [f"{name}={text}" for name, text in in_query(parameter, value)]
            case "header":
                headers[parameter.name] = _in_header(parameter, value)
            case "cookie":
                cookies += [f"{name}={text}" for name, text in in_query(parameter, value)]
    media, content = "", None
    if operation.body is not None:
        raw = bytes(arguments.get(operation.body.argument, b""))
        if raw:
            media, content = _content(operation.body, raw)
        elif operation.body.required:
            raise BadArguments(f"{operation.body.argument} is missing")
    template, _, fixed = operation.path.partition("?")  # not as the specification has it, but some documents do
    if fixed:
        query.insert(0, quote(fixed, safe="/?=&%:@!$'()*+,;~"))
    url = operation.base + _path(template, in_path)
    return Outgoing(operation.method, url, tuple(query), headers, tuple(cookies), media, content)


# values


class _Number(str):
    """A number as the caller spelled it."""


def _decoded(raw: bytes) -> Any:
    if NUMBER.match(raw):
        return _Number(raw.decode())
    return msgspec.json.decode(raw)


def text_of(value: Any) -> str:
    """A value where no style says how: texts as they are, the rest as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _encoded(value: Any, style: Style) -> str:
    return quote(text_of(value), safe=RESERVED if style.reserved else "")


def _flat(value: Mapping[str, Any], style: Style) -> Iterator[str]:
    """An object as a list: name, value, name, value."""
    for name, item in value.items():
        yield quote(name, safe="")
        yield _encoded(item, style)


def _kept(value: Any) -> Any:
    """Without members that are null: nothing spells them."""
    return {name: item for name, item in value.items() if item is not None} if isinstance(value, dict) else value


# places


def _path(template: str, values: Mapping[str, str]) -> str:
    path = VARIABLE.sub(lambda match: values.get(match[1], ""), template)
    for segment, was in zip(path.split("/"), template.split("/"), strict=True):
        if segment in {".", ".."} and segment != was:
            raise BadArguments("a path cannot lead elsewhere: '.' and '..' are no values here")
    return quote(path, safe="/%:@!$&'()*+,;=~")


def _in_path(parameter: Parameter, value: Any) -> str:
    style, name = parameter.style, quote(parameter.name, safe="")
    text = _as_path(style, name, value)
    if not text:
        raise BadArguments(f"{parameter.argument} is empty, and stands in a path")
    return text


def _as_path(style: Style, name: str, value: Any) -> str:
    value = _kept(value)
    if style.as_json or not isinstance(value, dict | list):
        one = quote(text_of(value) if not style.as_json else _json(value), safe="")
        return one and {"simple": one, "label": f".{one}", "matrix": f";{name}={one}"}[style.style]
    if isinstance(value, list):
        items = [_encoded(item, style) for item in value]
        exploded_matrix = [f"{name}={item}" for item in items]
    else:
        items = list(_flat(value, style))
        exploded_matrix = [f"{key}={item}" for key, item in zip(items[::2], items[1::2], strict=True)]
        if style.explode and style.style != "matrix":
            items = exploded_matrix
    if not items:
        return ""
    if style.style == "label":
        return "." + ("." if style.explode else ",").join(items)
    if style.style == "matrix":
        return "".join(f";{pair}" for pair in exploded_matrix) if style.explode else f";{name}={','.join(items)}"
    return ",".join(items)


def in_query(parameter: Parameter, value: Any) -> Pairs:
    if parameter.style.as_json:
        return [(quote(parameter.name, safe=""), quote(_json(value), safe=""))]
    return pairs(parameter.name, value, parameter.style)


def pairs(name: str, value: Any, style: Style) -> Pairs:
    """A value as the pairs of a query, a cookie or a form, encoded."""
    value, key = _kept(value), quote(name, safe="")
    if not isinstance(value, dict | list):
        return [(key, _encoded(value, style))]
    if style.style == "deepObject":
        return list(_deep(key, value, style))
    if isinstance(value, list):
        items = [_encoded(item, style) for item in value]
        if style.explode:
            return [(key, item) for item in items]
    elif style.explode:
        flat = list(_flat(value, style))
        return list(zip(flat[::2], flat[1::2], strict=True))
    else:
        items = list(_flat(value, style))
    return [(key, DELIMITERS[style.style].join(items))] if items else []


def _deep(key: str, value: Any, style: Style) -> Iterator[tuple[str, str]]:
    """`key[name]=value`; what is inside a member goes on the same way, as most services read it."""
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        inner = f"{key}[{quote(str(name), safe='')}]"
        if isinstance(item, dict | list):
            yield from _deep(inner, _kept(item), style)
        elif item is not None:
            yield inner, _encoded(item, style)


def _in_header(parameter: Parameter, value: Any) -> str:
    style, value = parameter.style, _kept(value)
    if style.as_json:
        text = _json(value)
    elif isinstance(value, list):
        text = ",".join(text_of(item) for item in value)
    elif isinstance(value, dict):
        joint = "=" if style.explode else ","
        text = ",".join(f"{name}{joint}{text_of(item)}" for name, item in value.items())
    else:
        text = text_of(value)
    if any(char in text for char in "\r\n\0"):
        raise BadArguments(f"{parameter.argument} holds a line break, and stands in a header")
    return text


def _json(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)
    return msgspec.json.encode(value).decode()


# bodies


def _content(body: Body, raw: bytes) -> tuple[str, bytes]:
    """Its media type and its bytes."""
    match body.form:
        case "json":
            return body.media, raw
        case "text":
            return body.media, text_of(_decoded(raw)).encode()
        case "bytes":
            return body.media, _bytes(body.argument, _decoded(raw))
    value = _kept(_decoded(raw))
    if not isinstance(value, dict):
        raise BadArguments(f"{body.argument} is an object")
    if body.form == "form":
        return body.media, _form(body, value)
    return _multipart(body, value)


def _bytes(name: str, value: Any) -> bytes:
    try:
        return b64decode(text_of(value), validate=True)
    except (binascii.Error, ValueError):
        raise BadArguments(f"{name} is no base64") from None


def _form(body: Body, value: Mapping[str, Any]) -> bytes:
    found = []
    for name, item in value.items():
        part = body.parts.get(name)
        style = part.style if part is not None else PLAIN
        nested = isinstance(item, list) and any(isinstance(one, dict | list) for one in item)
        if (part is not None and part.kind == "application/json") or (nested and style.style != "deepObject"):
            found.append((quote_plus(name), quote_plus(_json(item))))
        else:
            found += pairs(name, item, style)
    return "&".join(f"{name}={text}" for name, text in found).encode()


def _multipart(body: Body, value: Mapping[str, Any]) -> tuple[str, bytes]:
    boundary = f"mcphub-{secrets.token_hex(16)}"
    out = []
    for name, item in value.items():
        part = body.parts.get(name) or Part(PLAIN)
        for one in item if isinstance(item, list) else [item]:
            field = name.replace("\\", "\\\\").replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"'
            if part.encoded:
                head += f'; filename="{field}"'
            kind = part.kind or ("application/json" if isinstance(one, dict | list) else "")
            if kind and "\r" not in kind and "\n" not in kind:
                head += f"\r\nContent-Type: {kind}"
            content = _bytes(name, one) if part.encoded else text_of(one).encode()
            out.append(head.encode() + b"\r\n\r\n" + content + b"\r\n")
    out.append(f"--{boundary}--\r\n".encode())
    return f"{body.media.partition(';')[0]}; boundary={boundary}", b"".join(out)


def arguments_of(params: bytes) -> tuple[str, wire.Members]:
    """The tool's name and its arguments, raw JSON each, of the parameters of a tools/call.

    Raises:
        wire.Unreadable: they are none.
    """
    found = wire.members(params)
    raw = bytes(found.get("arguments", b""))
    return wire.text(found, "name") or "", {} if raw == b"null" else wire.members(raw)
