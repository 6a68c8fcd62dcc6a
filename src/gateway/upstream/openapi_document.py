"""What an OpenAPI document describes, as tools.

Pure: no I/O. What the hub cannot speak is left out with a reason; only a document of which nothing is left is refused.

Spec: OpenAPI 3.0.4 and 3.1.1.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from mcphub.gateway.upstream.openapi_operation import MOST_DESCRIPTION, MOST_NAME, Draft, Operation
from mcphub.gateway.upstream.openapi_schema import Unsupported, followed

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
MOST_OPERATIONS = 3000


class ApiDocument:
    """The tools of a document.

    Attributes:
        left_out: "METHOD /path", or a path whole → why it is no tool.
        tools: the result of tools/list, raw JSON.
    """

    def __init__(
        self, *, title: str, version: str, about: str, operations: Sequence[Operation], left_out: Mapping[str, str]
    ) -> None:
        self.title = title
        self.version = version
        self.about = about
        self.operations = {operation.tool: operation for operation in operations}
        self.left_out = left_out
        self.tools = b'{"tools":[' + b",".join(operation.definition for operation in operations) + b"]}"


def described(document: Mapping[str, Any], *, at: str = "", hidden: tuple[str, str] | None = None) -> ApiDocument:
    """The tools of a document.

    Args:
        at: the address it was read from; '' when it stands in the settings.
        hidden: (where, name) of a parameter the hub fills in itself.

    Raises:
        Unsupported: no tool can be made of it.
    """
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith(("3.0", "3.1")):
        what = f"OpenAPI {version}" if version else "Swagger 2.0" if "swagger" in document else "no OpenAPI document"
        raise Unsupported(f"it is {what[:40]}; this hub reads OpenAPI 3.0 and 3.1")
    left_out: dict[str, str] = {}
    found = []
    for method, path, item, entry in _entries(document, left_out):
        try:
            found.append(Draft(document, method, path, item, entry, at, hidden))
        except Unsupported as error:
            left_out[f"{method.upper()} {path}"] = str(error)
    operations = []
    for made, name in zip(found, _tool_names(found), strict=True):
        try:
            operations.append(made.finished(name))
        except Unsupported as error:
            left_out[f"{made.method.upper()} {made.path}"] = str(error)
    if not operations:
        why = next(iter(left_out.values()), "it describes no operation")
        raise Unsupported(f"nothing in it can be a tool: {why}")
    info = document.get("info")
    told = info if isinstance(info, dict) else {}
    return ApiDocument(
        title=str(told.get("title") or "")[:200],
        version=str(told.get("version") or "")[:100],
        about=str(told.get("description") or "")[:MOST_DESCRIPTION],
        operations=operations,
        left_out=left_out,
    )


def _entries(
    document: Mapping[str, Any], left_out: dict[str, str]
) -> Iterator[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """(method, path, path item, operation) in the document's order."""
    paths = document.get("paths")
    many = 0
    for path, raw in paths.items() if isinstance(paths, dict) else ():
        if not path.startswith("/"):
            continue
        try:
            item = followed(document, raw)
        except Unsupported as error:
            left_out[path] = str(error)
            continue
        for method in METHODS:
            if isinstance(item.get(method), dict):
                many += 1
                if many > MOST_OPERATIONS:
                    raise Unsupported(f"it describes more than {MOST_OPERATIONS} operations")
                yield method, path, item, item[method]


def _tool_names(found: Sequence[Draft]) -> list[str]:
    """In the order of the operations; where two come out alike, all but the one that says it exactly get a hash."""
    stems = [operation.stem for operation in found]
    many = Counter(stems)
    exact = Counter(str(operation.entry.get("operationId")) for operation in found)
    names = []
    for operation, stem in zip(found, stems, strict=True):
        said = str(operation.entry.get("operationId"))
        if (many[stem] == 1 or (said == stem and exact[said] == 1)) and len(stem) <= MOST_NAME:
            names.append(stem)
        else:
            digest = sha256(f"{operation.method} {operation.path}".encode()).hexdigest()[:6]
            names.append(f"{stem[: MOST_NAME - 7]}_{digest}")
    return names
