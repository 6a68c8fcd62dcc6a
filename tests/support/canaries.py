"""Values that must stay where they belong, and the search for them everywhere else."""

import base64
import gzip
import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote


def canary(name: str) -> str:
    """A value no redaction rule recognises by its form, that percent-encoding changes."""
    return f"{name}~{secrets.token_hex(12)}/ü+{secrets.token_hex(4)}"


def plain_canary(name: str) -> str:
    """For places that take ASCII only."""
    return f"{name}~{secrets.token_hex(12)}/+{secrets.token_hex(4)}"


def shapes(value: str) -> set[bytes]:
    """The value raw, percent-encoded, JSON-escaped, and in base64 at each of its three alignments."""
    raw = value.encode()
    found = {raw, quote(value, safe="").encode(), quote(value).encode(), value.encode("unicode_escape")}
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"x" * before + raw)
            # What depends on the neighbours is cut off at both ends.
            found.add(encoded[(before * 8 + 5) // 6 : len(raw) * 8 // 6 - 2])
    return {shape for shape in found if len(shape) >= 16}


def leaks(values: dict[str, str], places: dict[str, bytes]) -> list[str]:
    """Which value is found where, as sentences."""
    return [
        f"{name} is in {place} as {shape!r}"
        for name, value in values.items()
        for shape in sorted(shapes(value))
        for place, content in places.items()
        if shape in content
    ]


def files_below(folder: Path, *, without: set[str]) -> Iterator[tuple[str, bytes]]:
    """Every readable file, unpacked when it is gzip."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_file() and not path.is_symlink() and name.split("/")[0] not in without:
            content = path.read_bytes()
            yield name, gzip.decompress(content) if name.endswith(".gz") else content
