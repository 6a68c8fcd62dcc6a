"""The stable codes of the hub, read from its sources: what a page has to have a sentence for."""

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"
CODE = re.compile(r"[a-z]+(_[a-z]+)*")
BASE = "refused"  # of the class that no refusal is made of


def of_problems() -> set[str]:
    """Of whole answers, of the fields in them, and of a sign-in that was refused."""
    rooms = [*(SRC / "api").rglob("*.py"), *(SRC / "domain").rglob("*.py"), SRC / "gateway" / "exposure.py"]
    return {code for node in _nodes(rooms) for code in _constants(_codes(node))} - {BASE}


def of_findings() -> set[str]:
    """Of places in a settings document."""
    found = set()
    for node in _nodes((SRC / "domain").rglob("*.py")):
        if isinstance(node, ast.Call) and _called(node) in ("Finding", "notes.error", "notes.warn"):
            found |= _constants(node.args[1:2])
    return found


def _nodes(files: Iterator[Path] | list[Path]) -> Iterator[ast.AST]:
    for file in files:
        tree = ast.parse(file.read_text(encoding="utf-8"))
        types = {id(node.slice) for node in ast.walk(tree) if isinstance(node, ast.Subscript)}
        yield from (node for node in ast.walk(tree) if id(node) not in types)


def _codes(node: ast.AST) -> Sequence[ast.expr | None]:
    """Where in a node a code stands."""
    match node:
        case ast.Call() if _called(node) in ("Problem", "invalid"):
            named = [part.value for part in node.keywords if part.arg == "code"]
            return [*(node.args[1:2] if _called(node) == "Problem" else []), *named]
        case ast.Call() if _called(node) == "_error":
            return node.args[:1]
        case ast.ClassDef():
            return [part.value for part in node.body if isinstance(part, ast.Assign | ast.AnnAssign) and _is_code(part)]
        case ast.Assign(targets=[ast.Name(id="TEXTS")], value=ast.Dict(keys=codes, values=texts)):
            return codes if all(isinstance(text, ast.Constant) for text in texts) else []
        case ast.Tuple(elts=[place, code, _] | [place, code, _, _, _]) if _is_place(place):
            return [code]
    return []


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def _is_code(node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [ast.unparse(target) for target in targets] == ["code"]


def _is_place(node: ast.expr) -> bool:
    """A JSON pointer, or what makes one."""
    match node:
        case ast.Constant(value=str(text)):
            return text == "" or text.startswith("/")
        case ast.Call():
            return _called(node) == "pointer"
    return isinstance(node, ast.JoinedStr)


def _constants(nodes: Sequence[ast.expr | None]) -> set[str]:
    values = [node.value for node in nodes if isinstance(node, ast.Constant)]
    return {value for value in values if isinstance(value, str) and CODE.fullmatch(value)}
