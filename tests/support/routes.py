"""The tables of routes, read: who gets what where (`tests/golden/routes.txt`), and what the contract promised
(`tests/golden/contract_routes.txt`). Both say in their first lines how they are written.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

GOLDEN = Path(__file__).parents[1] / "golden"
CALLERS = ("anonymous", "pending", "deactivated", "user", "other", "auditor", "admin", "key")
# What a cell says in one word: the refusals that every area has.
WORDS = {
    "signin": "401 not_authenticated",
    "pending": "403 user_pending",
    "inactive": "403 user_inactive",
    "admins": "403 admin_required",
    "key": "403 key_not_allowed",
    "absent": "404 not_found",
}
OWNED = {"key", "group", "session", "fact", "request"}
OBJECT = re.compile(r"<([a-z]+)>")


class Row(Struct):
    """One request and what each caller is answered: `403 admin_required`, or the bare status of a success."""

    method: str
    path: str  # with its query; what stands in <> is made anew for every caller
    answers: dict[str, str]
    headers: dict[str, str] = {}
    body: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def objects(self) -> list[str]:
        return OBJECT.findall(self.path + self.body)

    @property
    def owned(self) -> bool:
        """Is it about something that belongs to the user?"""
        return not OWNED.isdisjoint(self.objects)

    def audience(self) -> str:
        """Whom the answers let in, in the contract's letters. R: administrators and auditors."""
        said = self.answers
        if said["anonymous"] != WORDS["signin"]:
            return "P"
        if said["user"] == WORDS["admins"]:
            return "A" if said["auditor"] == WORDS["admins"] else "R"
        if not self.owned or said["other"] != WORDS["absent"]:
            return "U"
        if said["admin"] == WORDS["absent"]:
            return "O"
        return "OA" if said["auditor"] == WORDS["absent"] else "OR"


def the_rows() -> list[Row]:
    rows: list[Row] = []
    for line in _lines("routes.txt"):
        if not line.startswith(" "):
            method, path, *cells = line.split()
            assert len(cells) == len(CALLERS), f"{len(cells)} cells, not {len(CALLERS)}: {line}"
            said = (WORDS.get(cell, cell.replace(":", " ")) for cell in cells)
            rows.append(Row(method, path, dict(zip(CALLERS, said, strict=True))))
        elif line.lstrip().startswith(("{", "[")):
            rows[-1].body = line.strip()
        else:
            name, _, value = line.strip().partition(": ")
            rows[-1].headers = {**rows[-1].headers, name: value}
    return rows


def promised() -> tuple[dict[str, str], dict[str, str]]:
    """Route → audience: of the contract, and of what the hub has beside it."""
    contract: dict[str, str] = {}
    ours: dict[str, str] = {}
    into = contract
    for line in _lines("contract_routes.txt"):
        if line == "OURS":
            into = ours
            continue
        method, path, who, *reason = line.split()
        assert bool(reason) == (into is ours), f"a route of ours says why, one of the contract does not: {line}"
        into[f"{method} {path}"] = who
    return contract, ours


def served_by(row: Row, served: Mapping[str, str]) -> str | None:
    """Which of the routes (`METHOD /path/{parameter}` → its pattern) takes this row's request; one without parameters
    comes first.
    """
    request = f"{row.method} {row.path.partition('?')[0]}"
    fitting = [route for route, pattern in served.items() if re.fullmatch(pattern, request)]
    return min(fitting, key=lambda route: route.count("{"), default=None)


def pattern_of(route: str) -> str:
    """For `served_by`, with a group for each parameter: `{x:path}` takes slashes, every other one does not."""
    parts = re.split(r"\{([^}]+)\}", route)
    for at in range(1, len(parts), 2):
        name, _, kind = parts[at].partition(":")
        parts[at] = f"(?P<{name}>{'.+' if kind == 'path' else '[^/]+'})"
    return "".join(part if at % 2 else re.escape(part) for at, part in enumerate(parts))


def plain(route: str) -> str:
    """A route without the names of its parameters, which differ between the contract and the code."""
    return re.sub(r"\{[^}]*\}|<[a-z]+>", "{}", route)


def _lines(name: str) -> list[str]:
    text = (GOLDEN / name).read_text(encoding="utf-8")
    return [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
