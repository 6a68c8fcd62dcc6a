"""Imports go one way: api → gateway → projections → domain. postgres and search stand beside domain.

Read from the source, so an import inside a function or under TYPE_CHECKING counts as well.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"

# room → rooms of ours it may import beside itself
MAY_IMPORT = {
    "domain": set(),
    "search": set(),
    "postgres": set(),
    "projections": {"domain", "postgres", "search", "settings", "logging", "periodic"},
    "gateway": {
        "projections",
        "domain",
        "postgres",
        "search",
        "settings",
        "logging",
        "periodic",
        "metrics",
        "tracing",
    },
    "api": {
        "gateway",
        "projections",
        "domain",
        "postgres",
        "search",
        "settings",
        "logging",
        "periodic",
        "metrics",
        "operations",
        "replica",
    },
    "settings": set(),
    "logging": set(),
    "periodic": set(),
    "operations": {"domain", "postgres", "projections", "roles", "settings"},
    "replica": {"postgres"},
    "demo_server": set(),
    "address": set(),
    "http_server": set(),
    "loop_lag": {"periodic"},
    "metrics": {"domain"},
    "tracing": {"settings", "logging", "metrics"},
}
# Modules at the top level that put the rooms together; only these may know the management API.
COMPOSE = {"cli", "serve", "first_run", "greeting", "doctor", "support", "__main__"}
# The record of a fact, as the ledger stores it.
SHARED = {"mcphub.domain.codec"}
SHARED_WITH = {"postgres", "search"}
# Runs between the hub and a server's process, so it starts in a few milliseconds: nothing of ours.
# An auditor runs it without the hub.
ALONE = {"mcphub.gateway.upstream.sandbox", "mcphub.operations.auditor"}

# The rules need no I/O and no threads; what they cannot import they cannot do.
NOT_IN_DOMAIN = {
    *("asyncio", "socket", "ssl", "subprocess", "threading", "multiprocessing", "concurrent", "http", "pathlib"),
    *("logging", "shutil", "tempfile", "sqlite3", "importlib", "psycopg", "psycopg_pool", "httpx", "aiohttp"),
    *("litestar", "uvicorn", "structlog", "anyio", "uvloop", "mcp", "authlib", "click"),
}
NOT_CALLED_IN_DOMAIN = {"open", "print", "input", "os.getenv", "os.open", "os.environ", "datetime.now"}


def problems(src: Path) -> list[str]:
    return [
        f"{path.relative_to(src)}:{line}: {why}"
        for path in sorted(src.rglob("*.py"))
        for line, why in problems_of(module_of(path, src), ast.parse(path.read_text()))
    ]


def module_of(path: Path, src: Path) -> str:
    parts = path.relative_to(src).with_suffix("").parts
    return ".".join(["mcphub", *(part for part in parts if part != "__init__")])


def problems_of(module: str, tree: ast.Module) -> Iterator[tuple[int, str]]:
    room = room_of(module)
    for line, names in imports(tree):
        if any(name.startswith(".") for name in names):
            yield line, "relative import: name the module in full"
        for name in names:
            if name.split(".")[0] == "mcphub" and (why := forbidden(module, room, name)):
                yield line, why
            elif room == "domain" and name.split(".")[0] in NOT_IN_DOMAIN:
                yield line, f"domain does no I/O, but imports {name}"
    if room == "domain":
        for node in ast.walk(tree):
            if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) in NOT_CALLED_IN_DOMAIN:
                yield node.lineno, f"domain does no I/O, but uses {ast.unparse(node)}"


def imports(tree: ast.Module) -> Iterator[tuple[int, list[str]]]:
    """(line, full names) of every import; `from a import b` may mean the module a.b, so it counts as that."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield node.lineno, [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = "." * node.level + (node.module or "")
            yield node.lineno, [f"{origin}.{alias.name}" for alias in node.names]


def room_of(name: str) -> str:
    return [*name.split("."), ""][1]


def forbidden(module: str, room: str, name: str) -> str:
    """Why `module` may not import `name`, or nothing."""
    target = room_of(name)
    if module in ALONE:
        return f"{module} imports nothing of ours, but imports {name}"
    if target in {"", room, "__version__"}:
        return ""  # the package itself, or the own room
    if room in SHARED_WITH and any(name == shared or name.startswith(f"{shared}.") for shared in SHARED):
        return ""
    if target in COMPOSE | {"api"} and room not in COMPOSE:
        return f"{room} may not import {target}: it puts the rooms together or stands above all"
    if room in MAY_IMPORT and target not in MAY_IMPORT[room]:
        return f"{room} may not import {target}"
    return ""


def test_imports_go_one_way() -> None:
    assert problems(SRC) == []


def test_every_room_has_its_rule() -> None:
    rooms = {path.name for path in SRC.iterdir() if (path / "__init__.py").exists()}

    assert rooms <= set(MAY_IMPORT) | COMPOSE


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("domain/users.py", "import asyncio"),
        ("domain/users.py", "from pathlib import Path"),
        ("domain/users.py", "key = os.environ['KEY']"),
        ("domain/users.py", "now = datetime.now()"),
        ("domain/users.py", "file = open('x')"),
        ("domain/users.py", "from mcphub.postgres.pool import command_pool"),
        ("domain/users.py", "from mcphub import settings"),
        ("domain/users.py", "from .errors import Refused"),
        ("postgres/pool.py", "from mcphub.domain.events import Event"),
        ("search/lexical.py", "import mcphub.projections.tools"),
        ("projections/tail.py", "from mcphub.gateway import front"),
        ("gateway/facade.py", "def f():\n    from mcphub.api.services import Services"),
        ("gateway/upstream/sandbox.py", "from mcphub.gateway.upstream import transport"),
        ("settings.py", "from mcphub.domain import ids"),
        ("foundation.py", "from mcphub.api.app import build_app"),
        ("roles.py", "import mcphub.cli"),
    ],
)
def test_an_import_the_wrong_way_is_found(tmp_path: Path, file: str, line: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(line)

    found = problems(tmp_path)

    assert len(found) == 1
    assert found[0].startswith(f"{file}:")


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("domain/users.py", "from mcphub.domain.events import Event\nimport re, os\nsalt = os.urandom(8)"),
        ("postgres/ledger.py", "from mcphub.domain.codec import Recorded"),
        ("postgres/ledger.py", "from mcphub.domain import codec"),
        ("postgres/migrate.py", "import mcphub"),
        ("gateway/front.py", "from mcphub.domain.access import decide\nfrom mcphub.postgres import pool"),
        ("api/app.py", "from mcphub.gateway.facade import Facade"),
        ("cli.py", "from mcphub.api.app import build_app"),
    ],
)
def test_an_import_the_right_way_passes(tmp_path: Path, file: str, line: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / file).write_text(line)

    assert problems(tmp_path) == []
