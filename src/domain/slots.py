"""Slots: the variables a server asks each user for, found in its configuration by their spelling.

`${USER_X}` anywhere in url, headers, env, args, openapi or oauth is a slot, so are a few names the earlier hub knew,
and so is an `env` key spelled like one. `$${X}` is the text `${X}`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

Placement = Literal["env", "header", "url", "arg", "openapi"]

SLOT = re.compile(r"USER_[A-Z0-9_]+|GITHUB_TOKEN|FIRECRAWL_TOKEN|ATLASSIAN_.*_(?:TOKEN|EMAIL|URL)")
HUB_VARIABLE = re.compile(r"HUB_[A-Z0-9_]+")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
OPEN = re.compile(r"\$\$\{|\$\{")
MOST_ORDER = 2**31 - 1  # what the read table's integer holds
READABLE = ("EMAIL", "URL", "HOST", "SITE", "TENANT", "USER", "USERNAME", "REGION")


class Slot(Struct, frozen=True, kw_only=True):
    """One variable of one server. `name` as written, `canonical` without one leading USER_."""

    name: str
    canonical: str
    placements: tuple[Placement, ...]
    label: str
    description: str = ""
    help_url: str = ""
    placeholder: str = ""
    pattern: str = ""
    default: str = ""
    opens_argument: bool = False  # begins an element of args, so its value may not begin with '-'
    required: bool = True
    secret: bool = True
    sort_order: int = 0


class Text(Struct, frozen=True):
    """A piece of a template that stands for itself."""

    text: str


class Variable(Struct, frozen=True):
    """A `${NAME}` of a template."""

    name: str


Part = Text | Variable


class PlaceholderSyntax(ValueError):
    """A `${` not closed, empty, or with more than a name in it. What is in it may be a secret: it is not repeated."""


def parts(template: str) -> list[Part]:
    """A template as text and variables.

    Raises:
        PlaceholderSyntax: see there.
    """
    out: list[Part] = []
    text, at = "", 0
    while found := OPEN.search(template, at):
        text += template[at : found.start()]
        if found.group() == "$${":
            text, at = text + "${", found.end()
            continue
        end = template.find("}", found.end())
        name = template[found.end() : end] if end >= 0 else ""
        if not NAME.fullmatch(name):
            raise PlaceholderSyntax("a '${' is not closed" if end < 0 else "'${…}' holds something else than a name")
        if text:
            out.append(Text(text))
        out.append(Variable(name))
        text, at = "", end + 1
    text += template[at:]
    if text or not out:
        out.append(Text(text))
    return out


def variables(template: object) -> list[str]:
    """The names in a template; [] for what is no template or cannot be read."""
    if not isinstance(template, str) or "${" not in template:
        return []
    try:
        return [part.name for part in parts(template) if isinstance(part, Variable)]
    except PlaceholderSyntax:
        return []


def is_slot(name: str) -> bool:
    return SLOT.fullmatch(name) is not None and NAME.fullmatch(name) is not None


def canonical(name: str) -> str:
    """Without one leading `USER_`."""
    return name[5:] if name.startswith("USER_") and len(name) > 5 else name


def credential_name(name: str) -> str:
    """The slot a credentialTemplate entry makes: `Authorization` → `USER_AUTHORIZATION`."""
    return "USER_" + re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")


def templates(config: Mapping[str, Any]) -> Iterator[tuple[Placement, tuple[str | int, ...], str]]:
    """Every text of a configuration that is scanned for variables: (placement, path, template), in document order."""
    for member, value in config.items():
        match member:
            case "url" if isinstance(value, str):
                yield "url", ("url",), value
            case "headers" if isinstance(value, dict):
                yield from (("header", ("headers", key), text) for key, text in value.items() if isinstance(text, str))
            case "env" if isinstance(value, dict):
                for key, text in value.items():
                    if isinstance(text, str) and not is_slot(key):
                        yield "env", ("env", key), text
            case "args" if isinstance(value, list):
                yield from (("arg", ("args", n), text) for n, text in enumerate(value) if isinstance(text, str))
            case "openapi" if isinstance(value, dict):
                if isinstance(value.get("url"), str):
                    yield "openapi", ("openapi", "url"), value["url"]
                yield from _strings("openapi", ("openapi", "security"), value.get("security"))
            case "oauth":
                yield from _strings("openapi", ("oauth",), value)


def _strings(
    placement: Placement, path: tuple[str | int, ...], value: object
) -> Iterator[tuple[Placement, tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield placement, path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(placement, (*path, key), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(placement, (*path, index), item)


def _mentions(config: Mapping[str, Any]) -> Iterator[tuple[str, Placement, str, str]]:
    """(name, placement, placeholder text, label) of each mention, in document order."""
    # A remote server has no environment: what is declared there reaches it as a header of the variable's own.
    of_keys: Placement = "header" if "url" in config or "openapi" in config else "env"
    for member, value in config.items():
        if member == "env" and isinstance(value, dict):
            for key, text in value.items():
                if is_slot(key):
                    yield key, of_keys, text if isinstance(text, str) and "${" not in text else "", ""
                else:
                    yield from ((name, "env", "", "") for name in variables(text) if is_slot(name))
        elif member == "credentialTemplate" and isinstance(value, list):
            for entry in value:
                if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                    placement: Placement = "header" if entry.get("target") == "headers" else "env"
                    yield credential_name(entry["name"]), placement, "", str(entry.get("label") or "")
        else:
            for placement, _, template in templates({member: value}):
                yield from ((name, placement, "", "") for name in variables(template) if is_slot(name))


def slots_of(config: Mapping[str, Any]) -> list[Slot]:
    """The slots of one server, in order of first appearance; two spellings of one canonical name are one slot."""
    ours = config.get("mcphub")
    described = ours.get("slots") if isinstance(ours, dict) else None
    described = described if isinstance(described, dict) else {}
    made: dict[str, Slot] = {}
    for name, placement, placeholder, label in _mentions(config):
        key = canonical(name)
        present = made.get(key)
        if present is None:
            meta = described.get(name) or described.get(key)
            made[key] = _slot(name, key, placement, placeholder, label, meta if isinstance(meta, dict) else {})
        elif placement not in present.placements or (placeholder and not present.placeholder):
            wider = tuple(dict.fromkeys((*present.placements, placement)))
            made[key] = replace(present, placements=wider, placeholder=present.placeholder or placeholder)
    for key in _openers(config):
        made[key] = replace(made[key], opens_argument=True)
    return list(made.values())


def _slot(name: str, key: str, placement: Placement, placeholder: str, label: str, meta: Mapping[str, Any]) -> Slot:
    words = " ".join(word.capitalize() for word in key.split("_") if word)
    order, secret = meta.get("sortOrder"), meta.get("isSecret")
    return Slot(
        name=name,
        canonical=key,
        placements=(placement,),
        label=_text(meta, "displayName") or label or words,
        description=_text(meta, "description"),
        help_url=_text(meta, "helpUrl"),
        placeholder=placeholder,
        pattern=_text(meta, "validationRegex"),
        default=_text(meta, "defaultValue"),
        required=meta.get("required") is not False,
        secret=secret if isinstance(secret, bool) else not key.endswith(READABLE),
        sort_order=max(-MOST_ORDER, min(order, MOST_ORDER)) if type(order) is int else 0,
    )


def _text(meta: Mapping[str, Any], member: str) -> str:
    value = meta.get(member)
    return value if isinstance(value, str) else ""


def _openers(config: Mapping[str, Any]) -> Iterator[str]:
    args = config.get("args")
    for element in args if isinstance(args, list) else ():
        if (
            isinstance(element, str)
            and element.startswith("${")
            and (names := variables(element))
            and is_slot(names[0])
        ):
            yield canonical(names[0])
