"""What is wrong or odd about a settings document, place by place, and the refusal made of it."""

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from mcphub.domain.errors import SettingsInvalid
from mcphub.domain.tool_names import KnownTools

Path = tuple[str | int, ...]


class Finding(Struct, frozen=True):
    """An error or warning. `pointer` is a JSON pointer (RFC 6901); line and column count from 1, 0 when unknown."""

    pointer: str
    code: str
    detail: str
    line: int = 0
    column: int = 0


class DocumentRefused(SettingsInvalid):
    """A document with errors. `findings` has their lines and columns as numbers, for an editor to mark."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(tuple((found.pointer, found.code, _placed(found)) for found in findings))
        self.findings = tuple(findings)


def pointer(path: Path) -> str:
    return "".join("/" + escaped(str(part)) for part in path)


def escaped(part: str) -> str:
    sendable = part.encode("utf-8", "replace").decode()  # half of a surrogate pair could not be answered
    return sendable.replace("~", "~0").replace("/", "~1")


def _placed(found: Finding) -> str:
    return f"{found.detail} (line {found.line}, column {found.column})" if found.line else found.detail


class Report(Struct):
    """All there is to say about a document."""

    errors: list[Finding] = []
    warnings: list[Finding] = []

    def refuse(self) -> None:
        """
        Raises:
            DocumentRefused: there are errors.
        """
        if self.errors:
            raise DocumentRefused(self.errors)


class Notes:
    """Collects findings below one place of the document."""

    def __init__(self, base: Path = ()) -> None:
        self.base = base
        self.errors: list[Finding] = []
        self.warnings: list[Finding] = []

    def error(self, path: Path, code: str, detail: str) -> None:
        self.errors.append(Finding(pointer((*self.base, *path)), code, detail))

    def warn(self, path: Path, code: str, detail: str) -> None:
        self.warnings.append(Finding(pointer((*self.base, *path)), code, detail))

    def report(self) -> Report:
        return Report(self.errors, self.warnings)


class Policy(Struct, frozen=True):
    """What this hub allows: commands beside the contract's, variables of its own, opened CIDRs; and, where that is
    known, whether a user of a name exists and what tools a server of a name has.

    `hub_variables` are those of its environment, `stored_variables` names whose values are not looked at.
    """

    commands: frozenset[str] = frozenset()
    config_env: frozenset[str] = frozenset()
    hub_variables: Mapping[str, str] = {}
    stored_variables: frozenset[str] = frozenset()
    egress_allow: tuple[str, ...] = ()
    user_exists: Callable[[str], bool] = lambda _: True
    tools_of: Callable[[str], KnownTools] = lambda _: KnownTools()
