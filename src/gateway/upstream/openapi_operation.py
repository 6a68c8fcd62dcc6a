"""One operation of an OpenAPI document as a tool: its name, schema and hints, and where its arguments go.

Pure: no I/O.

Spec: OpenAPI 3.0.4 and 3.1.1; MCP 2025-11-25, Tools.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urljoin, urlsplit

import jsonschema_rs
import msgspec
from msgspec import Struct

from mcphub.domain.egress import dialled_host
from mcphub.gateway.upstream.openapi_schema import SchemaWriter, Unsupported, followed

MOST_TOOL = 256 * 1024  # bytes of one tool's definition
MOST_NAME = 64
MOST_DESCRIPTION = 4000
ARGUMENT = re.compile(r"[^A-Za-z0-9_.-]+")
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, section 5.1
TOOL = re.compile(r"[^A-Za-z0-9_-]+")
VARIABLE = re.compile(r"\{([^{}]+)\}")

Where = Literal["path", "query", "header", "cookie"]
STYLES: dict[str, tuple[str, ...]] = {  # the first is the default
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
PLACES = tuple(STYLES)  # in the order of arguments
# Headers that are the connection's, the hub's or the credentials'; OpenAPI itself passes over the first three.
NOT_ARGUMENTS = {
    *("accept", "content-type", "authorization", "cookie", "host", "connection", "content-length", "expect"),
    *("transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "accept-encoding", "traceparent"),
}

Form = Literal["json", "form", "multipart", "text", "bytes"]
FORMS: tuple[tuple[re.Pattern[str], Form], ...] = (  # the first that fits is used
    (re.compile(r"application/(?:[\w.+-]+\+)?json"), "json"),
    (re.compile(r"application/x-www-form-urlencoded"), "form"),
    (re.compile(r"multipart/form-data"), "multipart"),
    (re.compile(r"\*/\*|application/\*"), "json"),
    (re.compile(r"text/(?:[\w.+-]+|\*)"), "text"),
    (re.compile(r"application/octet-stream|(?:image|audio|video)/[\w.+*-]+"), "bytes"),
)


HINTS: dict[str, dict[str, bool]] = {
    **{method: {"readOnlyHint": True} for method in ("get", "head", "options", "trace")},
    "delete": {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True},
    "put": {"readOnlyHint": False, "idempotentHint": True},
}


class Style(Struct, frozen=True):
    """How a value is spelled. Spec: OpenAPI 3.1.1, Style Values."""

    style: str
    explode: bool
    reserved: bool = False  # reserved characters stand as they are
    as_json: bool = False


class Parameter(Struct, frozen=True):
    """Where an argument goes. `argument` is its name in the tool, `name` the one in the request."""

    argument: str
    name: str
    where: Where
    style: Style
    required: bool


class Part(Struct, frozen=True):
    """A property of a form. `kind` is its media type in a multipart body; '' for plain text."""

    style: Style
    kind: str = ""
    encoded: bool = False  # the value is base64 of what is sent


class Body(Struct, frozen=True):
    argument: str
    media: str
    form: Form
    required: bool
    parts: Mapping[str, Part] = {}


class Operation(Struct, frozen=True):
    """One tool.

    Args:
        base: the server's address, without a slash at the end.
        path: with `{name}` for each path parameter, by its name in the request.
        definition: the tool as clients see it, raw JSON.
    """

    tool: str
    method: str
    base: str
    path: str
    parameters: Sequence[Parameter]
    body: Body | None
    definition: bytes


class Draft:
    """One operation on its way to a tool."""

    def __init__(
        self,
        document: Mapping[str, Any],
        method: str,
        path: str,
        item: dict[str, Any],
        entry: dict[str, Any],
        at: str,
        hidden: tuple[str, str] | None,
    ) -> None:
        self.method = method
        self.path = path
        self.entry = entry
        said = entry.get("operationId")
        named = TOOL.sub("_", said).strip("_") if isinstance(said, str) else ""
        self.stem = named or TOOL.sub("_", f"{method}{path}").strip("_")
        self._document = document
        self._old = str(document.get("openapi", "")).startswith("3.0")
        self._base = _base(document, item, entry, at)
        self._hidden = hidden
        self._parameters = self._merged(item)
        self._taken: set[str] = set()

    def _merged(self, item: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Those of the path, overridden by the operation's own; path, query, header, cookie."""
        merged: dict[tuple[str, str], dict[str, Any]] = {}
        for source in (item, self.entry):
            listed = source.get("parameters")
            for raw in listed if isinstance(listed, list) else ():
                found = followed(self._document, raw)
                where, name = found.get("in"), found.get("name")
                if not isinstance(name, str) or where not in PLACES:
                    raise Unsupported(f"a parameter is in {str(where)[:20]!r}, which is no place this hub knows")
                if where == "header" and not HEADER.fullmatch(name):
                    raise Unsupported(f"a parameter is the header {name[:40]!r}, which is no header")
                merged[str(where), name] = found
        for name in VARIABLE.findall(self.path):
            merged.setdefault(("path", name), {"in": "path", "name": name, "schema": {"type": "string"}})
        kept = [
            found
            for (where, name), found in sorted(merged.items(), key=lambda entry: PLACES.index(entry[0][0]))
            if not self._not_asked(where, name)
        ]
        return [found for found in kept if found["in"] != "path" or f"{{{found['name']}}}" in self.path]

    def _not_asked(self, where: str, name: str) -> bool:
        low = name.lower()
        if self._hidden is not None and where == self._hidden[0]:
            same = low == self._hidden[1].lower() if where == "header" else name == self._hidden[1]
            if same:
                return True
        return where == "header" and (low in NOT_ARGUMENTS or low.startswith(("x-mcphub-", "proxy-")))

    def finished(self, tool: str) -> Operation:
        """
        Raises:
            Unsupported: see there.
        """
        try:
            return self._finished(tool, whole=True)
        except Unsupported as error:
            try:
                return self._finished(tool, whole=False)
            except Unsupported:
                raise error from None

    def _finished(self, tool: str, *, whole: bool) -> Operation:
        """
        Args:
            whole: with the schema of the body; without it anything is taken there, and the service decides.
        """
        self._taken.clear()
        writer = SchemaWriter(self._document, old=self._old)
        properties: dict[str, Any] = {}
        required = []
        parameters = []
        for found in self._parameters:
            made = self._parameter(found)
            parameters.append(made)
            properties[made.argument] = self._asked(found, writer)
            if made.required:
                required.append(made.argument)
        body, wanted = self._body()
        if body is not None:
            schema = (
                writer.schema(wanted)
                if whole
                else {"description": "Its schema is too large or too unusual to be shown."}
            )
            properties[body.argument] = schema
            if body.required:
                required.append(body.argument)
        schema = {"type": "object", "properties": properties}
        if required:
            schema["required"] = required
        schema["additionalProperties"] = False
        if defs := writer.defs():
            schema["$defs"] = defs
        if not jsonschema_rs.meta.is_valid({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}):
            raise Unsupported("its schemas are no valid JSON Schema")
        definition = msgspec.json.encode(self._definition(tool, schema))
        if len(definition) > MOST_TOOL:
            raise Unsupported(f"its definition has more than {MOST_TOOL} bytes")
        return Operation(tool, self.method.upper(), self._base, self.path, parameters, body, definition)

    def _definition(self, tool: str, schema: Mapping[str, Any]) -> dict[str, Any]:
        entry = self.entry
        texts = [text.strip() for key in ("summary", "description") if isinstance(text := entry.get(key), str)]
        texts = ["Deprecated."] * (entry.get("deprecated") is True) + list(dict.fromkeys(filter(None, texts)))
        definition: dict[str, Any] = {"name": tool}
        if isinstance(entry.get("summary"), str) and entry["summary"].strip():
            definition["title"] = entry["summary"].strip()[:200]
        definition["description"] = ("\n\n".join(texts) or f"{self.method.upper()} {self.path}")[:MOST_DESCRIPTION]
        definition["inputSchema"] = schema
        if hints := HINTS.get(self.method):
            definition["annotations"] = hints
        return definition

    def _argument(self, name: str, otherwise: str) -> str:
        """A name models and their APIs take, like no other of this tool."""
        stem = ARGUMENT.sub("_", name).strip("_")[:MOST_NAME] or otherwise
        made, number = stem, 1
        while made in self._taken:
            number += 1
            made = f"{stem[: MOST_NAME - 12]}_{otherwise}" + (f"_{number - 1}" if number > 2 else "")
        self._taken.add(made)
        return made

    def _parameter(self, found: Mapping[str, Any]) -> Parameter:
        where, name = found["in"], found["name"]
        style = found.get("style", STYLES[where][0])
        if style not in STYLES[where]:
            raise Unsupported(f"parameter {name[:60]!r} has the style {str(style)[:30]!r}, which is none of a {where}")
        explode = found.get("explode", style == "form")
        spelled = Style(style, explode is True, found.get("allowReserved") is True, "content" in found)
        needed = where == "path" or found.get("required") is True
        return Parameter(self._argument(name, where), name, where, spelled, needed)

    def _asked(self, found: Mapping[str, Any], writer: SchemaWriter) -> Any:
        """The schema of a parameter, with the parameter's own description."""
        wanted = found.get("schema", {})
        if isinstance(content := found.get("content"), dict):
            held: Any = next(iter(content.values()), {})
            wanted = held.get("schema", {}) if isinstance(held, dict) else {}
        schema = writer.schema(wanted)
        said = found.get("description")
        if isinstance(said, str) and said.strip() and isinstance(schema, dict):
            if self._old and "$ref" in schema:
                schema = {"allOf": [schema]}
            schema = {**schema, "description": said.strip()}
        return schema

    def _body(self) -> tuple[Body | None, Any]:
        """Where the body's argument goes, and its schema as the document has it."""
        raw = self.entry.get("requestBody")
        if raw is None:
            return None, None
        found = followed(self._document, raw)
        content = found.get("content")
        offered = content if isinstance(content, dict) else {}
        required = found.get("required") is True
        for pattern, form in FORMS:
            for media, described_as in offered.items():
                if pattern.fullmatch(media.partition(";")[0].strip().lower()) and isinstance(described_as, dict):
                    wanted = described_as.get("schema", {})
                    sent_as = "application/json" if form == "json" and "*" in media else media
                    if form == "text" and "*" in media:
                        sent_as = "text/plain"
                    if form == "bytes":
                        sent_as = "application/octet-stream" if "*" in media else media
                        wanted = {"type": "string", "contentEncoding": "base64", "description": "Base64."}
                    parts = self._parts(wanted, described_as) if form in ("form", "multipart") else {}
                    return Body(self._argument("body", "request"), sent_as, form, required, parts), wanted
        if required and offered:
            raise Unsupported(f"its body is {', '.join(offered)[:80]}, which this hub does not write")
        return None, None

    def _parts(self, wanted: Any, described_as: Mapping[str, Any]) -> dict[str, Part]:
        """How each property of a form is written."""
        try:
            schema = followed(self._document, wanted)
        except Unsupported:
            return {}
        raw = described_as.get("encoding")
        encodings = raw if isinstance(raw, dict) else {}
        properties = schema.get("properties")
        parts = {}
        for name, about in properties.items() if isinstance(properties, dict) else ():
            try:
                found = followed(self._document, about) if isinstance(about, dict) else {}
            except Unsupported:
                found = {}
            said = encodings.get(name)
            encoding = said if isinstance(said, dict) else {}
            inner = found.get("items") if found.get("type") == "array" else found
            held = inner if isinstance(inner, dict) else {}
            encoded = held.get("format") == "binary" or held.get("contentEncoding") == "base64"
            style = encoding.get("style", "form")
            parts[name] = Part(
                Style(style if style in STYLES["query"] else "form", encoding.get("explode", style == "form") is True),
                str(encoding.get("contentType") or ("application/octet-stream" if encoded else ""))[:100],
                encoded,
            )
        return parts


def _base(document: Mapping[str, Any], item: Mapping[str, Any], entry: Mapping[str, Any], at: str) -> str:
    """The address of the first server that counts for an operation."""
    listed = next((found for source in (entry, item, document) if (found := source.get("servers"))), None)
    server = listed[0] if isinstance(listed, list) and isinstance(listed[0], dict) else {}
    variables = server.get("variables")
    known = variables if isinstance(variables, dict) else {}

    def default(match: re.Match[str]) -> str:
        variable = known.get(match[1])
        value = variable.get("default") if isinstance(variable, dict) else None
        if value is None:
            raise Unsupported(f"its server's address has a variable {match[1][:40]!r} without a default")
        return str(value)

    text = VARIABLE.sub(default, str(server.get("url") or "/"))
    try:
        whole = urljoin(at, text) if at else text
        if dialled_host(whole) is None or "@" in urlsplit(whole).netloc:
            why = "it stands in the settings, so its servers need a whole address" if not at else "it is none to dial"
            raise Unsupported(f"its server's address cannot be used: {why}")
        split = urlsplit(whole)
    except ValueError:
        raise Unsupported("its server's address is no address") from None
    return f"{split.scheme}://{split.netloc}{split.path.rstrip('/')}"
