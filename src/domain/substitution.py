"""Putting a user's values where a configuration asks for them: one pass, no recursion, nothing half filled in.

A required variable without a value stops everything before a socket or a process exists.
An optional one takes the header, env entry, query parameter or argument that holds it with it.
Upstreams never see an empty string or a literal `${X}`.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import jsonschema_rs
from msgspec import Struct

from mcphub.domain.slots import Slot, Text, canonical, credential_name, is_slot, parts

MOST_VALUE = 16 * 1024  # bytes
BULLET = "•"


class MissingVariables(Exception):
    """Required variables without a value; nothing was sent or started.

    Args:
        names: as the settings form calls them.
        hub: these are the administrator's to set, in the hub's environment.
    """

    def __init__(self, server: str, slug: str, names: list[str], *, hub: bool = False) -> None:
        whose = "the hub's environment" if hub else "you"
        super().__init__(f"Server {server!r} needs {', '.join(names)} from {whose}.")
        self.server = server
        self.slug = slug
        self.names = names
        self.hub = hub


class UnusableValue(Exception):
    """A stored value that this place cannot take; the text names the variable, never the value."""


class Injected(Struct, frozen=True):
    """A configuration with everything filled in: complete for one user, never logged."""

    command: str
    args: list[str]
    env: dict[str, str]
    url: str
    headers: dict[str, str]


class _Absent(Exception):
    """An optional variable has no value: what holds it is left out."""


class Filler:
    """Fills templates of one server for one user.

    Args:
        values: canonical name → value, of the user.
        hub_variables: name → value, of the hub's environment, only what a document may read.
        open_sealed: opens a `{"$sealed": …}` literal of the configuration.
    """

    def __init__(
        self,
        server: str,
        slug: str,
        slots: Mapping[str, Slot],
        values: Mapping[str, str],
        hub_variables: Mapping[str, str],
        open_sealed: Callable[[str], str],
    ) -> None:
        self._server = server
        self._slug = slug
        self._slots = slots
        self._values = values
        self._hub_variables = hub_variables
        self._open = open_sealed
        self.missing: dict[str, None] = {}
        self.missing_hub: dict[str, None] = {}

    def value(self, name: str) -> str:
        """
        Raises:
            _Absent: optional and not set. A required one is noted and '' stands in until `finish` refuses.
        """
        if not is_slot(name):
            if name in self._hub_variables:
                return self._hub_variables[name]
            self.missing_hub[name] = None
            return ""
        slot = self._slots.get(canonical(name))
        found = self._values.get(canonical(name), "") or (slot.default if slot else "")
        if found:
            return found
        if slot is not None and not slot.required:
            raise _Absent
        self.missing[slot.name if slot else name] = None
        return ""

    def text(self, template: object, escape: Callable[[str], str] = str) -> str:
        if isinstance(template, dict):
            return self._open(str(template["$sealed"]))
        return "".join(
            part.text if isinstance(part, Text) else escape(self.value(part.name)) for part in parts(str(template))
        )

    def map(self, templates: Mapping[str, Any]) -> dict[str, str]:
        out = {}
        for key, template in templates.items():
            try:
                out[key] = self.text(template)
            except _Absent:
                continue
        return out

    def args(self, templates: list[Any]) -> list[str]:
        out = []
        for template in templates:
            try:
                text = self.text(template)
            except _Absent:
                continue
            first = parts(str(template))[0]
            if text.startswith("-") and not isinstance(first, Text):
                raise UnusableValue(f"Server {self._server!r}: the value of {first.name} must not start with '-'.")
            out.append(text)
        return out

    def url(self, template: str) -> str:
        """Values are percent-encoded; in the authority, which only `mcphub.userHosts` allows, they stand as is."""
        front, question, query = template.partition("?")
        scheme, slashes, rest = front.partition("://")
        authority, slash, path = rest.partition("/")
        try:
            base = scheme + slashes + self.text(authority) + slash + self.text(path, _component)
        except _Absent:
            raise UnusableValue(f"Server {self._server!r}: its address needs every variable in it.") from None
        if not question:
            return base
        kept = []
        for parameter in query.split("&"):
            try:
                kept.append(self.text(parameter, _component))
            except _Absent:
                continue
        return base + ("?" + "&".join(kept) if kept else "")

    def finish(self) -> None:
        """
        Raises:
            MissingVariables: a required variable has no value.
        """
        if self.missing_hub:
            raise MissingVariables(self._server, self._slug, list(self.missing_hub), hub=True)
        if self.missing:
            raise MissingVariables(self._server, self._slug, list(self.missing))


def _component(value: str) -> str:
    return quote(value, safe="")


def inject(
    name: str,
    slug: str,
    config: Mapping[str, Any],
    slots: Mapping[str, Slot],
    values: Mapping[str, str],
    hub_variables: Mapping[str, str],
    open_sealed: Callable[[str], str],
) -> Injected:
    """The configuration filled in for one user.

    Raises:
        MissingVariables: nothing may be sent or started.
        UnusableValue: a value does not fit its place.
    """
    filler = Filler(name, slug, slots, values, hub_variables, open_sealed)
    env_templates = config.get("env") or {}
    env = filler.map({key: text for key, text in env_templates.items() if not is_slot(key)})
    headers = filler.map(config.get("headers") or {})
    for key in env_templates:
        if is_slot(key):  # the entry's own text is only the form's placeholder
            _both_names(env, filler, key)
    for entry in config.get("credentialTemplate") or []:
        try:
            value = filler.value(credential_name(entry["name"]))
        except _Absent:
            continue
        (headers if entry.get("target") == "headers" else env)[entry["name"]] = value
    url = filler.url(str(config["url"])) if config.get("url") else ""
    args = filler.args(list(config.get("args") or []))
    filler.finish()
    for header, value in headers.items():
        if any(char in value for char in "\r\n\0"):
            raise UnusableValue(f"Server {name!r}: the value for header {header} holds a line break.")
    return Injected(str(config.get("command") or ""), args, env, url, headers)


def _both_names(env: dict[str, str], filler: Filler, key: str) -> None:
    """The child gets the value under the canonical name and under the name with USER_."""
    try:
        value = filler.value(key)
    except _Absent:
        return
    env[canonical(key)] = env[key] = value


def check_value(slot: Slot, value: str) -> str | None:
    """Why a value cannot be saved for a slot, as a code; None when it can."""
    if BULLET * 4 in value:
        return "masked_value"
    if len(value.encode()) > MOST_VALUE or "\0" in value:
        return "value_not_allowed"
    if {"header", "url"} & set(slot.placements) and ("\r" in value or "\n" in value):
        return "value_not_allowed"
    if slot.pattern and not matches(slot.pattern, value):
        return "pattern_mismatch"
    return None


def usable_pattern(pattern: str) -> bool:
    """Is this a pattern of at most 1,000 characters that the linear-time engine takes?"""
    if len(pattern) > 1000:
        return False
    try:
        _validator(pattern)
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return True


def matches(pattern: str, value: str) -> bool:
    """Evaluated by Rust's regex engine, whose time is linear in the value whatever the pattern."""
    return bool(_validator(pattern).is_valid(value))


def _validator(pattern: str) -> Any:
    options = jsonschema_rs.RegexOptions()
    return jsonschema_rs.validator_for({"type": "string", "pattern": pattern}, pattern_options=options)
