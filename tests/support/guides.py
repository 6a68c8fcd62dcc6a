"""The guides as tests see them: their pages, headings, links and fenced blocks, and the program that writes reference
pages.
"""

import importlib.util
import re
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
GUIDES = ROOT / "docs" / "guides"
FENCE = re.compile(r"^(?P<mark>```+)(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=mark)$", re.M | re.S)


class Block(NamedTuple):
    """A fenced block. `words` are those behind its language: `run`, `not-run`, or `tested=PATH`."""

    language: str
    words: tuple[str, ...]
    text: str
    before: str  # the line of text above it


@cache
def text_of(path: Path) -> str:
    return path.read_text()


def blocks(path: Path) -> list[Block]:
    found = []
    text = text_of(path)
    for match in FENCE.finditer(text):
        language, *words = match["info"].split() or [""]
        above = [line for line in text[: match.start()].splitlines() if line.strip()]
        found.append(Block(language, tuple(words), match["text"], above[-1] if above else ""))
    return found


def prose(path: Path) -> str:
    """Without fenced blocks and code spans, in which nothing is a link or a heading."""
    return re.sub(r"`[^`\n]*`", "``", FENCE.sub("", text_of(path)))


def links(path: Path) -> list[str]:
    """Targets of links and pictures."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(path))


@cache
def anchors(path: Path) -> set[str]:
    """What a link may have behind `#`, as GitHub makes it of headings; explicit `<a id=…>` too."""
    found: dict[str, int] = {}
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", FENCE.sub("", text_of(path)), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        seen = found[slug] = found.get(slug, -1) + 1
        if seen:
            found[f"{slug}-{seen}"] = 0
    return {*found, *re.findall(r"<a id=\"([\w-]+)\"", text_of(path))}


@cache
def reference() -> ModuleType:
    """docs/reference.py, which is no module of the package."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
