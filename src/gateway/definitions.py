"""Definitions as every client can read them, for lists that hold those of many servers.

Official clients read a list as a whole: one definition that is not as the specification has it, and they show no tool
of any server. So what is beside the point is taken out of such a definition, what is missing and cannot be meant in two
ways is put in, and one that stays unreadable is left out. What is right stays the bytes it was, and at its server's own
address a list stays as it came.

Spec: MCP 2025-11-25, Schema (Tool, Prompt, Resource, ResourceTemplate).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import unquote

import msgspec
from msgspec import UNSET, DecodeError, Meta, Raw, Struct, UnsetType, field
from msgspec.structs import FieldInfo, fields

from mcphub.gateway import wire
from mcphub.gateway.kinds import PROMPTS, RESOURCES, TEMPLATES, TOOLS, Offer

OBJECT = b'{"type":"object"}'
REF = b'"$ref"'
IDS = ("$id", "$anchor", "$dynamicAnchor", "id")


class Anything(Struct):
    """An object, whatever is in it."""


class Icon(Struct):
    src: str
    mimeType: str | UnsetType = UNSET
    sizes: list[str] | UnsetType = UNSET
    theme: Literal["light", "dark"] | UnsetType = UNSET


class Described(Struct, kw_only=True):
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    icons: list[Icon] | UnsetType = UNSET
    meta: Anything | UnsetType = field(default=UNSET, name="_meta")


class ObjectSchema(Struct):
    type: Literal["object"]
    properties: dict[str, Anything] | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET


class Hints(Struct):
    title: str | UnsetType = UNSET
    readOnlyHint: bool | UnsetType = UNSET
    destructiveHint: bool | UnsetType = UNSET
    idempotentHint: bool | UnsetType = UNSET
    openWorldHint: bool | UnsetType = UNSET


class Execution(Struct):
    taskSupport: Literal["required", "optional", "forbidden"] | UnsetType = UNSET


class AnyTool(Described, kw_only=True):
    inputSchema: ObjectSchema
    annotations: Hints | UnsetType = UNSET
    execution: Execution | UnsetType = UNSET


class Tool(AnyTool, kw_only=True):
    outputSchema: ObjectSchema | UnsetType = UNSET


class NewestTool(AnyTool, kw_only=True):
    """2026-07-28: what comes out may be anything."""

    outputSchema: Anything | UnsetType = UNSET


class Argument(Struct):
    name: str
    description: str | UnsetType = UNSET
    required: bool | UnsetType = UNSET


class Prompt(Described, kw_only=True):
    arguments: list[Argument] | UnsetType = UNSET


class Annotations(Struct):
    audience: list[Literal["user", "assistant"]] | UnsetType = UNSET
    priority: Annotated[float, Meta(ge=0, le=1)] | UnsetType = UNSET
    lastModified: datetime | UnsetType = UNSET


class Resource(Described, kw_only=True):
    name: str
    mimeType: str | UnsetType = UNSET
    size: float | UnsetType = UNSET
    annotations: Annotations | UnsetType = UNSET


SHAPES: Mapping[str, type[Struct]] = {
    TOOLS.list_method: Tool,
    PROMPTS.list_method: Prompt,
    RESOURCES.list_method: Resource,
    TEMPLATES.list_method: Resource,
}


def readable(raw: bytes, offer: Offer, *, newest: bool = False) -> bytes | None:
    """The definition as every client can read it, the same bytes if it is so; None when it cannot be made so.

    Args:
        newest: it is for clients of 2026-07-28.
    """
    shape = NewestTool if newest and offer is TOOLS else SHAPES[offer.list_method]
    kept: bytes | None = raw
    if not _fits(raw, shape):
        if offer in (RESOURCES, TEMPLATES):
            found = wire.members(raw)
            name = found["name"] if _fits(found.get("name"), str) else found[offer.naming]
            raw = wire.joined({**found, "name": name})
        kept = _mended(raw, shape)
    if kept is not None and offer is TOOLS and REF in kept:
        members: dict[str, Raw | bytes] = dict(wire.members(kept))
        if "outputSchema" in members and not _leads_somewhere(bytes(members["outputSchema"])):
            del members["outputSchema"]  # clients compile these as soon as they have the list
            kept = wire.joined(members)
    return kept


def _leads_somewhere(schema: bytes) -> bool:
    """Is what each `$ref` names within the schema? Nobody fetches it from anywhere else.

    Spec: JSON Schema 2020-12, Core, section 8.2; RFC 6901.
    """
    try:
        whole = msgspec.json.decode(schema)
    except (DecodeError, RecursionError):
        return False
    refs, names, inside = [], {""}, [whole]
    while inside:
        each = inside.pop()
        if isinstance(each, dict):
            refs += [each["$ref"]] if isinstance(each.get("$ref"), str) else []
            names |= {name for key in IDS if isinstance(name := each.get(key), str)}
        inside += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return all(_is_at(whole, names, *ref.partition("#")[::2]) for ref in refs)


def _is_at(whole: Any, names: set[str], base: str, fragment: str) -> bool:
    if base not in names or (fragment and not fragment.startswith("/")):
        return base in names and fragment in names
    at = whole
    for part in unquote(fragment).split("/")[1:] if not base else ():
        part = part.replace("~1", "/").replace("~0", "~")
        if isinstance(at, list) and part.isdecimal() and int(part) < len(at):
            at = at[int(part)]
        elif isinstance(at, dict) and part in at:
            at = at[part]
        else:
            return False
    return True


def _fits(raw: Raw | bytes | None, kind: Any) -> bool:
    if raw is None:
        return False
    try:
        msgspec.json.decode(raw, type=kind)
    except (DecodeError, RecursionError):
        return False
    return True


def _mended(raw: bytes, kind: Any) -> bytes | None:
    """What can be kept of a value; None for nothing."""
    if _fits(raw, kind):
        return raw
    if isinstance(kind, type) and issubclass(kind, Struct):
        return _object(raw, kind)
    try:
        if get_origin(kind) is list:
            kept = [_mended(item, get_args(kind)[0]) for item in wire.items(raw)]
            return b"[" + b",".join(item for item in kept if item is not None) + b"]"
        if get_origin(kind) is dict:  # of schemas, some of which may be `true` or `false`
            return wire.joined({name: _as_object(bytes(each)) for name, each in wire.members(raw).items()})
    except wire.Unreadable:
        pass
    return None


def _as_object(schema: bytes) -> bytes:
    """Spec: JSON Schema 2020-12, Core, section 4.3.2."""
    if schema[:1] == b"{":
        return schema
    return b'{"not":{}}' if schema == b"false" else b"{}"


def _object(raw: bytes, shape: type[Struct]) -> bytes | None:
    try:
        found: dict[str, Raw | bytes] = dict(wire.members(raw))
    except wire.Unreadable:
        return None
    for member in fields(shape):
        name = member.encode_name
        given = found.get(name)
        kept = _mended(bytes(given), _kind(member)) if given is not None else None
        if kept is None and member.required:
            kept = _supplied(name, shape, bytes(given or b""))
            if kept is None:
                return None
        if kept is not None:
            found[name] = kept
        else:
            found.pop(name, None)
    return wire.joined(found)


def _kind(member: FieldInfo) -> Any:
    """What the member is when it is there."""
    kinds = [kind for kind in get_args(member.type) if kind is not UnsetType]
    return kinds[0] if UnsetType in get_args(member.type) else member.type


def _supplied(name: str, shape: type[Struct], given: bytes) -> bytes | None:
    """What stands for a member that has to be there: of a schema that says nothing of its type, or that is none."""
    if shape is ObjectSchema and name == "type":
        said = msgspec.json.decode(given) if given else None
        return b'"object"' if said is None or (isinstance(said, list) and "object" in said) else None
    return OBJECT if name == "inputSchema" and given[:1] != b"{" else None
