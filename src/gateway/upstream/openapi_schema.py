"""Schemas of an OpenAPI document as JSON Schema 2020-12, with what they refer to beside them in `$defs`.

Pure: no I/O. References lead within the document; cycles stay references.

Spec: OpenAPI 3.0.4 and 3.1.1, Schema Object; JSON Schema 2020-12.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

MOST_HOPS = 32  # from reference to reference
MOST_DEPTH = 48  # of one schema, references not followed
MOST_NODES = 4000  # of one tool

OF_SCHEMAS = {"properties", "patternProperties", "dependentSchemas"}  # name → schema
LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
SINGLE = {
    *("items", "not", "if", "then", "else", "additionalProperties", "propertyNames", "contains", "contentSchema"),
    *("unevaluatedItems", "unevaluatedProperties"),
}
# What a reader of the tool has no use for, or what a place of its own gives another meaning.
LEFT_OUT = {
    *("discriminator", "xml", "externalDocs", "example", "nullable", "$defs", "definitions"),
    *("$id", "$schema", "$anchor", "$dynamicAnchor", "$comment", "$vocabulary"),
}
TYPES = ("string", "number", "integer", "boolean", "array", "object", "null")
UNNAMED = re.compile(r"[^A-Za-z0-9_.-]+")


class Unsupported(Exception):
    """What an OpenAPI document says in a way this hub cannot use."""


def resolved(document: Mapping[str, Any], reference: object) -> Any:
    """What a reference leads to.

    Raises:
        Unsupported: it leads out of the document, or nowhere.
    """
    if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
        raise Unsupported(f"a reference leads out of the document: {str(reference)[:80]!r}")
    found: Any = document
    for part in reference[2:].split("/") if reference != "#" else ():
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, Mapping) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            raise Unsupported(f"a reference leads nowhere: {reference[:80]!r}")
    return found


def followed(document: Mapping[str, Any], value: Any) -> dict[str, Any]:
    """An object of the document, or the one its references lead to at last.

    Raises:
        Unsupported: they lead nowhere, or in a circle.
    """
    for _ in range(MOST_HOPS):
        if not isinstance(value, dict):
            raise Unsupported("an object is expected where there is something else")
        if "$ref" not in value:
            return value
        value = resolved(document, value["$ref"])
    raise Unsupported("references lead in a circle")


class SchemaWriter:
    """Writes the schemas of one tool.

    Args:
        old: the document is OpenAPI 3.0, whose schemas are a dialect of their own.
    """

    def __init__(self, document: Mapping[str, Any], *, old: bool) -> None:
        self._document = document
        self._old = old
        self._names: dict[str, str] = {}  # reference → its name in `$defs`
        self._nodes = 0

    def schema(self, value: Any) -> Any:
        """
        Raises:
            Unsupported: see there.
        """
        return self._written(value, 0)

    def defs(self) -> dict[str, Any]:
        """Everything the schemas written so far refer to, directly and further on."""
        out: dict[str, Any] = {}
        while len(out) < len(self._names):
            for reference, name in list(self._names.items()):
                if name not in out:
                    out[name] = self._written(resolved(self._document, reference), 0)
        return out

    def _written(self, value: Any, depth: int) -> Any:
        if isinstance(value, bool):
            return value
        if not isinstance(value, dict):
            raise Unsupported("a schema is no object")
        self._nodes += 1
        if self._nodes > MOST_NODES or depth > MOST_DEPTH:
            raise Unsupported(f"its schemas have more than {MOST_NODES} parts or {MOST_DEPTH} levels")
        if "$dynamicRef" in value or "$recursiveRef" in value:
            raise Unsupported("dynamic references are not followed")
        if "$ref" in value:
            reference = {"$ref": f"#/$defs/{self._named(value['$ref'])}"}
            beside = {key: item for key, item in value.items() if key != "$ref"}
            # Beside a reference 3.0 has nothing; many documents have a description there all the same.
            if self._old:
                beside = {key: item for key, item in beside.items() if key == "description"}
            return {**self._members(beside, depth), **reference}
        return self._members(value, depth)

    def _members(self, value: Mapping[str, Any], depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key, item in value.items():
            if key in LEFT_OUT or key.startswith("x-"):
                continue
            if key in OF_SCHEMAS:
                out[key] = self._by_name(item, depth)
            elif key in LISTS or (key == "items" and isinstance(item, list)):
                if not isinstance(item, list):
                    raise Unsupported(f"{key} is no list")
                out["prefixItems" if key == "items" else key] = [self._written(one, depth + 1) for one in item]
            elif key in SINGLE:
                out[key] = self._written(item, depth + 1)
            elif key == "type":
                if kept := _types(item):
                    out["type"] = kept
            elif key == "required":
                if isinstance(item, list):
                    out["required"] = [
                        name for name in item if isinstance(name, str) and not self._read_only(value, name)
                    ]
            else:
                out[key] = item
        if "example" in value and "examples" not in out:
            out["examples"] = [value["example"]]
        if isinstance(out.get("examples"), dict):  # a map of Example Objects strayed here
            del out["examples"]
        if out.get("type") == "string" and out.get("format") == "binary":
            out["contentEncoding"] = "base64"
        return self._modern(value, out) if self._old else out

    def _by_name(self, schemas: Any, depth: int) -> dict[str, Any]:
        if not isinstance(schemas, dict):
            raise Unsupported("properties are no object")
        kept = {name: schema for name, schema in schemas.items() if not self._marked(schema, "readOnly")}
        return {name: self._written(schema, depth + 1) for name, schema in kept.items()}

    def _modern(self, value: Mapping[str, Any], out: dict[str, Any]) -> dict[str, Any]:
        """What 3.0 writes in another way."""
        for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if isinstance(value.get(exclusive), bool):
                del out[exclusive]
                if value[exclusive] and limit in out:
                    out[exclusive] = out.pop(limit)
        if value.get("nullable") is not True:
            return out
        if isinstance(out.get("enum"), list) and None not in out["enum"]:
            out["enum"] = [*out["enum"], None]
        if "type" in out:
            types = out["type"] if isinstance(out["type"], list) else [out["type"]]
            return {**out, "type": [*types, "null"] if "null" not in types else types}
        return {"anyOf": [out, {"type": "null"}]} if LISTS & out.keys() else out

    def _read_only(self, value: Mapping[str, Any], name: str) -> bool:
        """A property that only answers have; requests must not be asked for it."""
        properties = value.get("properties")
        return isinstance(properties, dict) and self._marked(properties.get(name), "readOnly")

    def _marked(self, schema: Any, mark: str) -> bool:
        try:
            return isinstance(schema, dict) and followed(self._document, schema).get(mark) is True
        except Unsupported:
            return False

    def _named(self, reference: object) -> str:
        if not isinstance(reference, str):
            raise Unsupported("a reference is no text")
        known = self._names.get(reference)
        if known is not None:
            return known
        resolved(self._document, reference)
        stem = UNNAMED.sub("_", unquote(reference.rpartition("/")[2])).strip("_")[:60] or "root"
        taken, name, number = set(self._names.values()), stem, 1
        while name in taken:
            number += 1
            name = f"{stem}_{number}"
        self._names[reference] = name
        return name


def _types(value: Any) -> Any:
    """The types JSON Schema knows; None when there is none among them."""
    if isinstance(value, list):
        return [one for one in value if one in TYPES] or None
    return value if value in TYPES else None
