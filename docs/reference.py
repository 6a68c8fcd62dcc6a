"""The reference pages of the guides, made from what they describe: events, tables, and the REST API.

    .venv/bin/python docs/reference.py --write
    .venv/bin/python docs/reference.py --check

`./hub fix` writes them and a unit test finds stale ones. Names, types and English descriptions come from the code, the
migrations, the read tables and `frontend/openapi.json`; what those do not say, and all Korean, is in `words.toml`.
"""

import ast
import inspect
import io
import json
import re
import sys
import tokenize
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mcphub.domain import actor, events
from mcphub.domain.events import EVENT_TYPES
from mcphub.postgres import migrate
from mcphub.projections.tables import all_projections
from mcphub.search.tables import statement

DOCS = Path(__file__).parent
ROOT = DOCS.parent
LANGUAGES = ("en", "ko")
METHODS = ("get", "post", "put", "patch", "delete")


class Missing(Exception):
    """`words.toml` lacks words; the message names them."""


class Words:
    """What the code does not say. Asked for in both languages; what is not there is collected."""

    def __init__(self) -> None:
        self._words = tomllib.loads((DOCS / "words.toml").read_text())
        self.missing: list[str] = []
        self.used: set[tuple[str, str]] = set()

    def get(self, language: str, section: str, *names: str, said: str = "") -> str:
        """The words for the first of the names that has some.

        Args:
            said: what the code says, in English; counts where the file has no English words.
        """
        entries = self._words[section]
        name = next((name for name in names if name in entries), None)
        if name is None:
            if language == "en" and said:
                return said
            self.missing.append(f"[{section}] {names[0]}")
            return "?"
        self.used.add((section, name))
        entry = entries[name]
        if isinstance(entry, str):  # Korean alone
            return said if language == "en" else entry
        return (entry[0] or said) if language == "en" else str(entry[1])

    def has(self, section: str, name: str) -> bool:
        return name in self._words[section]

    def unused(self) -> list[str]:
        """Words for what is not there any more."""
        return sorted(
            f"[{section}] {name}"
            for section, entries in self._words.items()
            for name in entries
            if (section, name) not in self.used
        )


def pages(words: Words) -> dict[Path, str]:
    """Every generated page by its path below docs/guides."""
    makers = {"events.md": event_page, "tables.md": table_page, "api.md": api_page}
    return {
        Path(language) / name: "\n".join(make(language, words)) + "\n"
        for name, make in makers.items()
        for language in LANGUAGES
    }


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def row(*cells: str) -> str:
    return "| " + " | ".join(cell(text) for text in cells) + " |"


def head(words: Words, language: str, *names: str) -> list[str]:
    return [row(*(words.get(language, "page", name) for name in names)), "|" + "---|" * len(names)]


# events


class Field(NamedTuple):
    name: str
    type: str
    default: str
    comment: str


def event_page(language: str, words: Words) -> Iterator[str]:
    def page(name: str, said: str = "") -> str:
        return words.get(language, "page", name, said=said)

    sections, fields, first = sections_of_events(), fields_of(events), first_versions()
    sentences = sentences_of(language)
    yield f"# {page('events')}"
    yield ""
    yield page("generated")
    yield ""
    yield page("events_intro")
    yield ""
    yield f"## {page('envelope')}"
    yield ""
    yield page("envelope_intro")
    yield ""
    yield from head(words, language, "name", "type", "meaning")
    for name in ("position", "id", "type", "tags", "recorded_at", "hash"):
        yield row(f"`{name}`", f"`{columns()['ledger'][name]}`", words.get(language, "tables", f"ledger.{name}"))
    for field in fields_of(actor)["Meta"]:
        meaning = words.get(language, "fields", f"Meta.{field.name}", said=field.comment)
        yield row(f"`meta.{field.name}`", type_in(language, words, field), meaning)
    for title, names in sections.items():
        yield ""
        yield f"## {words.get(language, 'sections', title, said=title[:1].upper() + title[1:])}"
        for name in names:
            said, tags = documented(EVENT_TYPES[name])
            yield ""
            yield f"### {name}"
            yield ""
            about = words.get(language, "events", name, said=said) if said or language == "ko" else ""
            yield f"_{sentences[name]}_" + (f" — {about}" if about else "")
            yield ""
            named = ", ".join(f"`{tag}`" for tag in tags)
            yield f"{page('tags')}: {named}. {page('since')}: {first.get(name, '-')}."
            yield ""
            yield from field_table(language, words, name, fields[name])
    yield ""
    yield f"## {page('parts')}"
    for name in ("ServerRef", "Scope"):
        yield ""
        yield f"### {name}"
        yield ""
        yield words.get(language, "events", name, said=documented(getattr(events, name))[0])
        yield ""
        yield from field_table(language, words, name, fields[name])


def field_table(language: str, words: Words, owner: str, fields: list[Field]) -> Iterator[str]:
    yield from head(words, language, "name", "type", "default", "meaning")
    for field in fields:
        meaning = words.get(language, "fields", f"{owner}.{field.name}", field.name, said=field.comment)
        changed = field.default == "UNSET"
        default = words.get(language, "page", "unchanged") if changed else f"`{field.default}`" if field.default else ""
        yield row(f"`{field.name}`", type_in(language, words, field), default, meaning)


def type_in(language: str, words: Words, field: Field) -> str:
    """The annotation in words; what may be left out is not part of it."""
    parts = [part.strip() for part in field.type.split("|")]
    return " / ".join(words.get(language, "types", part) for part in parts if part != "UnsetType")


def sections_of_events() -> dict[str, list[str]]:
    """The headings of events.py (`# users`) and the types below each."""
    found: dict[str, list[str]] = {}
    title = ""
    for line in inspect.getsource(events).splitlines():
        if line.startswith("# ") and not line.startswith(("# mypy", "# The library")):
            title = line[2:]
        elif (match := re.match(r"class (\w+)\(Event,", line)) and match[1] in EVENT_TYPES:
            found.setdefault(title, []).append(match[1])
    return found


def fields_of(module: Any) -> dict[str, list[Field]]:
    """Class → its fields, with the comment at the end of each one's line."""
    source = inspect.getsource(module)
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT and "noqa" not in token.string
    }
    return {
        node.name: [
            Field(
                part.target.id,
                ast.unparse(part.annotation),
                ast.unparse(part.value) if part.value is not None else "",
                comments.get(part.end_lineno or 0, ""),
            )
            for part in node.body
            if isinstance(part, ast.AnnAssign)
            and isinstance(part.target, ast.Name)
            and "ClassVar" not in ast.unparse(part.annotation)
        ]
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef)
    }


def documented(cls: type) -> tuple[str, list[str]]:
    """A docstring in one line, and the tags it names."""
    text = " ".join((inspect.getdoc(cls) or "").split())
    tags = re.search(r"Tags: ([^.]*)\.", text)
    said = re.sub(r"Tags: [^.]*\.", "", text).replace("  ", " ").strip()
    return said, [tag.strip() for tag in tags[1].split(",")] if tags else []


def first_versions() -> dict[str, str]:
    """Type → the version of the first ledger in tests/golden that holds it."""
    found: dict[str, str] = {}
    for file in sorted((ROOT / "tests" / "golden" / "events").glob("*.jsonl")):
        for name in re.findall(r'"type":"(\w+)"', file.read_text()):
            found.setdefault(name, file.stem.partition("-")[0])
    return found


def sentences_of(language: str) -> dict[str, str]:
    """Type → how the timeline says it; … stands for the subject."""
    text = (ROOT / "frontend" / "src" / "i18n" / language / "audit.ts").read_text()
    (inside,) = re.findall(r"^  sentences: \{\n(.*?)^  \},", text, re.S | re.M)
    found = re.findall(r"^    (\w+): \([^)]*\) =>\s*[`\"](.*?)[`\"],$", inside, re.M | re.S)
    return {name: re.sub(r"<b>[^<]*</b>", "…", said) for name, said in found}


# tables


def columns() -> dict[str, dict[str, str]]:
    """Table → column → type as the migrations leave them, and as the read tables are made."""
    found: dict[str, dict[str, str]] = {}
    _follow(found, migrate.CREATE_SCHEMA_MIGRATION)
    # The one table that is there before the first migration alters itself.
    found["schema_migration"] |= dict(
        re.findall(r"alter table schema_migration add column (\w+) (\w+)", inspect.getsource(migrate))
    )
    for path in sorted((ROOT / "migrations").glob("*.sql")):
        _follow(found, path.read_text())
    for projection in all_projections():
        _follow(found, projection.ddl, "read.")
    for name in ("tables", "vector_tables"):
        _follow(found, statement(name), "search.")
    return found


CREATED = re.compile(
    r"^ *create (?:unlogged )?table (?:if not exists )?(\w+) \((?:like (\w+)\)|\n(.*?)\n *\))", re.S | re.M
)
ALTERED = re.compile(r"^ *alter table (\w+)\s+(add|drop) column (?:if (?:not )?exists )?(\w+)( [^;,]*)?;", re.M)
RENAMED = re.compile(r"^ *(?:drop table (?:if exists )?(\w+)|alter table (\w+) rename)", re.M)
COLUMN = re.compile(r"^ *(\w+) +((?:double precision|\w+)(?:\[\])?)")
CONSTRAINTS = {"primary", "unique", "check", "foreign", "constraint", "exclude", "like"}


def _follow(found: dict[str, dict[str, str]], text: str, schema: str = "") -> None:
    """Applies what one text creates and alters.

    Args:
        schema: put before the names of its tables.

    Raises:
        NotImplementedError: it drops or renames a table, which nothing here follows yet.
    """
    if RENAMED.search(text):
        raise NotImplementedError("docs/reference.py does not follow dropped and renamed tables")
    for match in CREATED.finditer(text):
        table, like, body = match.groups()
        if like:
            found[schema + table] = dict(found[schema + like])
            continue
        lines = [COLUMN.match(line) for line in body.splitlines()]
        found[schema + table] = {line[1]: line[2] for line in lines if line and line[1] not in CONSTRAINTS}
    for table, verb, column, rest in ALTERED.findall(text):
        if verb == "drop":
            del found[schema + table][column]
        else:
            found[schema + table][column] = rest.split()[0]


def table_page(language: str, words: Words) -> Iterator[str]:
    def page(name: str) -> str:
        return words.get(language, "page", name)

    yield f"# {page('tables')}"
    yield ""
    yield page("generated")
    yield ""
    yield page("tables_intro")
    found = columns()
    groups = {
        "durable_tables": [name for name in found if "." not in name],
        "read_tables": [name for name in found if name.startswith("read.")],
        "search_tables": [name for name in found if name.startswith("search.")],
    }
    for title, tables in groups.items():
        yield ""
        yield f"## {page(title)}"
        yield ""
        yield page(f"{title}_intro")
        for table in sorted(tables):
            yield ""
            yield f"### {table}"
            yield ""
            yield words.get(language, "tables", table)
            yield ""
            yield from head(words, language, "name", "type", "meaning")
            for column, kind in found[table].items():
                own = f"{table}.{column}"
                # What most tables have alike is said once.
                alike = not words.has("tables", own) and words.has("columns", column)
                meaning = words.get(language, "columns", column) if alike else words.get(language, "tables", own)
                yield row(f"`{column}`", f"`{kind}`", meaning)


# the API


def api_page(language: str, words: Words) -> Iterator[str]:
    def page(name: str) -> str:
        return words.get(language, "page", name)

    described = json.loads((ROOT / "frontend" / "openapi.json").read_text())
    schemas = described["components"]["schemas"]
    yield f"# {page('api')}"
    yield ""
    yield page("generated")
    yield ""
    yield page("api_intro")
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = defaultdict(list)
    aliases: dict[str, list[str]] = defaultdict(list)
    for path, methods in described["paths"].items():
        for method in METHODS:
            operation = methods.get(method)
            if operation is None:
                continue
            name, alias, _ = operation["operationId"].partition("At")
            if alias:
                aliases[name].append(path)
            else:
                by_tag[operation["tags"][0]].append((path, method, operation))
    for tag in sorted(by_tag):
        yield ""
        yield f"## {words.get(language, 'api_tags', tag, said=tag)}"
        for path, method, operation in by_tag[tag]:
            name = operation["operationId"]
            yield ""
            yield f"### {method.upper()} {path}"
            yield ""
            said = words.get(language, "operations", name, said=operation["summary"])
            yield f"{said}. {page('for')}: {words.get(language, 'audiences', operation['x-audience'])}."
            if aliases[name]:
                yield ""
                yield f"{page('also_at')}: " + ", ".join(f"`{other}`" for other in aliases[name]) + "."
            yield from _parameters(language, words, operation, schemas)
            yield ""
            yield f"{page('answers')}: " + _answers(operation, schemas)
    yield ""
    yield f"## {page('shapes')}"
    yield ""
    yield page("shapes_intro")
    for name in sorted(_reached(described["paths"], schemas)):
        yield ""
        yield f"### {name}"
        yield ""
        shape = schemas[name]
        if "properties" not in shape:
            yield f"`{_kind(shape)}`"
            continue
        yield from head(words, language, "name", "type", "needed")
        for member, schema in shape["properties"].items():
            always = words.get(language, "page", "yes") if member in shape.get("required", ()) else ""
            yield row(f"`{member}`", _linked(schema), always)


def _reached(value: Any, schemas: dict[str, Any]) -> set[str]:
    """Schemas that bodies and answers are made of; not the envelopes around `data`."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            name = part["$ref"].rpartition("/")[2] if isinstance(part.get("$ref"), str) else ""
            if name and name not in found:
                found.add(name)
                waiting.append(schemas[name])
    return {name for name in found if not {"success", "data"} <= schemas[name].get("properties", {}).keys()}


def _parameters(language: str, words: Words, operation: dict[str, Any], schemas: dict[str, Any]) -> Iterator[str]:
    rows = [
        (parameter["name"], words.get(language, "places", parameter["in"]), parameter["schema"], parameter["required"])
        for parameter in operation.get("parameters", ())
    ]
    contents: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    for body in (content["schema"] for content in contents.values()):
        place = words.get(language, "places", "body")
        name, body = _resolved(body, schemas)
        needed = body.get("required", ())
        members = [(member, place, kind, member in needed) for member, kind in body.get("properties", {}).items()]
        rows += members or [(name or "…", place, body, True)]
    if rows:
        yield ""
        yield from head(words, language, "name", "place", "type", "needed")
        for name, place, schema, needed in rows:
            yield row(f"`{name}`", place, _linked(schema), words.get(language, "page", "yes") if needed else "")


def _resolved(schema: dict[str, Any], schemas: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The schema behind a reference, of one or the other the one that is not null."""
    for part in (schema, *schema.get("oneOf", ()), *schema.get("anyOf", ())):
        if "$ref" in part:
            name = part["$ref"].rpartition("/")[2]
            return name, schemas[name]
    return "", schema


def _linked(schema: dict[str, Any]) -> str:
    """`_kind` as code, with a link for each shape that has a name."""
    parts = re.split(r"(?<![\w\"])((?:[A-Z]|controllers_)\w*)(?![\w\"])", _kind(schema))
    return "".join(
        f"[{part}](#{part.lower()})" if named % 2 else f"`{part}`" for named, part in enumerate(parts) if part
    )


def _kind(schema: dict[str, Any]) -> str:
    """A schema in a word: string, integer, [string], User, a or b."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return " | ".join(_kind(part) for part in schema[choice] if part.get("type") != "null")
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"] if value is not None)
    kinds = schema.get("type", "any")
    kind = " | ".join(kind for kind in ([kinds] if isinstance(kinds, str) else kinds) if kind != "null")
    if kind == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    inner = schema.get("additionalProperties")
    if kind == "object" and isinstance(inner, dict) and inner:
        return f"{{{_kind(inner)}}}"
    return kind


def _answers(operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    said = []
    for code, answer in operation["responses"].items():
        if code == "default" or (code == "202" and len(operation["responses"]) > 2):
            continue
        contents: dict[str, Any] = answer.get("content", {})
        media = next(iter(contents), "")
        name, schema = _resolved(contents[media].get("schema", {}) if media else {}, schemas)
        data = schema.get("properties", {}).get("data")
        what = (
            f"`data`: {_linked(data)}"
            if data
            else f"[{name}](#{name.lower()})"
            if name
            else f"`{media}`"
            if media
            else ""
        )
        said.append(f"{code} {what}".strip())
    return ", ".join(said) + "."


def main(arguments: list[str]) -> int:
    words = Words()
    made = pages(words)
    problems = [f"docs/words.toml: no words for {name}" for name in dict.fromkeys(words.missing)]
    problems += [f"docs/words.toml: nothing is called {name} any more" for name in words.unused()]
    for path, text in made.items():
        file = DOCS / "guides" / path
        if arguments == ["--write"]:
            file.write_text(text)
        elif not file.exists() or file.read_text() != text:
            problems.append(f"docs/guides/{path} is stale: ./hub fix")
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
