"""Putting a user's values where a configuration asks for them: one pass, no recursion, nothing half filled in.

A required variable without a value stops everything before a socket or a process exists.
An optional one takes the header, env entry, query parameter or argument that holds it with it.
Upstreams never see an empty string or a literal `${X}`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from mcphub.domain.egress import dialled_host
from mcphub.domain.findings import Path, pointer
from mcphub.domain.patterns import matches
from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.slots import Slot, Text, Variable, canonical, credential_name, is_slot, parts, variables

MOST_VALUE = 16 * 1024  # bytes
ADDRESSES = {"tokenUrl", "url"}  # of `openapi.security`: a value in one is a part of an address
BULLETS = "•" * 4  # no real value holds them; a form that sends its mask back does


class MissingVariables(Exception):
    """Required variables without a value; nothing was sent or started.

    Args:
        names: as the settings form calls them.
        hub: these are the administrator's to set: stored, or in the hub's environment.
    """

    def __init__(self, server: str, slug: str, names: list[str], *, hub: bool = False) -> None:
        whose = "the hub itself" if hub else "you"
        super().__init__(f"Server {server!r} needs {', '.join(names)} from {whose}.")
        self.server = server
        self.slug = slug
        self.names = names
        self.hub = hub


class UnusableValue(Exception):
    """A stored value that its place cannot take; the text names the variable, never the value."""

    def __init__(self, server: str, why: str) -> None:
        super().__init__(f"Server {server!r}: {why}.")
        self.server = server


class Injected(Struct, frozen=True):
    """A configuration with everything filled in: complete for one user, never logged.

    `openapi` has url and security filled in, `oauth` every text; `values` are the user's own, by canonical name, and
    `hub_values` the hub's that went in.
    """

    command: str
    args: list[str]
    env: dict[str, str]
    url: str
    headers: dict[str, str]
    openapi: dict[str, Any] = {}
    oauth: dict[str, Any] = {}
    values: dict[str, str] = {}
    hub_values: dict[str, str] = {}


def inject(
    spec: ServerSpec,
    values: Mapping[str, str],
    hub_variables: Mapping[str, str],
    opener: Callable[[str, str], str],
) -> Injected:
    """The configuration filled in for one user.

    Args:
        values: canonical name → value, of the user.
        hub_variables: name → value, of the hub, only what a document may read.
        opener: (pointer inside the server's entry, sealed text) → the literal secret.

    Raises:
        MissingVariables: nothing may be sent or started.
        UnusableValue: a value does not fit its place.
    """
    filler = _Filler(spec, values, hub_variables, opener)
    env = filler.map("env", {key: text for key, text in spec.env.items() if not is_slot(key)})
    headers = filler.map("headers", spec.headers)
    for key in spec.env:
        if is_slot(key) and (value := filler.optional(key)) is not None:
            env[key] = value  # the entry's own text is only the form's example
            if canonical(key) not in spec.env:  # what the document sets itself, no user changes
                env[canonical(key)] = value
    for entry in spec.credentials:
        if (value := filler.optional(credential_name(entry["name"]))) is not None:
            (headers if entry["target"] == "headers" else env)[entry["name"]] = value
    url = filler.url(spec.url) if spec.url else ""
    args = filler.args(spec.args)
    openapi = dict(spec.openapi)
    if "url" in openapi:
        openapi["url"] = filler.url(openapi["url"])
    if "security" in openapi:
        openapi["security"] = filler.tree(("openapi", "security"), openapi["security"])
    oauth = filler.tree(("oauth",), spec.oauth)
    filler.finish()
    for header, value in headers.items():
        if not fits_header(value):
            raise UnusableValue(spec.name, f"the value for header {header} holds what no header carries")
    own = {slot.canonical: value for slot in spec.slots.values() if (value := filler.optional(slot.name))}
    return Injected(spec.command, args, env, url, headers, openapi, oauth, own, filler.hub_values)


class _Absent(Exception):
    """An optional variable has no value: what holds it is left out."""


class _Filler:
    """Fills the templates of one server for one user, and remembers what was missing."""

    def __init__(
        self,
        spec: ServerSpec,
        values: Mapping[str, str],
        hub_variables: Mapping[str, str],
        opener: Callable[[str, str], str],
    ) -> None:
        self._spec = spec
        self._values = values
        self._hub_variables = hub_variables
        self._open = opener
        self._missing: dict[str, None] = {}
        self._missing_hub: dict[str, None] = {}
        self.hub_values: dict[str, str] = {}

    def value(self, name: str) -> str:
        """
        Raises:
            _Absent: optional and not set. A required one is noted, and '' stands in until `finish` refuses.
        """
        if not is_slot(name):
            found = self._hub_variables.get(name, "")
            if not found:
                self._missing_hub[name] = None
            else:
                self.hub_values[name] = found
            return found
        slot = self._spec.slots.get(canonical(name))
        found = self._values.get(canonical(name), "") or (slot.default if slot else "")
        if found:
            return found
        if slot is not None and not slot.required:
            raise _Absent(name)
        self._missing[slot.name if slot else name] = None
        return ""

    def optional(self, name: str) -> str | None:
        try:
            return self.value(name)
        except _Absent:
            return None

    def text(self, path: Path, template: Any, escape: Callable[[str], str] = str) -> str:
        if isinstance(template, dict):
            template = self._open(pointer(path), str(template["$sealed"]))  # a literal: `$${` is all it can hold
        return "".join(
            part.text if isinstance(part, Text) else escape(self.value(part.name)) for part in parts(str(template))
        )

    def map(self, member: str, templates: Mapping[str, Any]) -> dict[str, str]:
        out = {}
        for key, template in templates.items():
            with suppress(_Absent):
                out[key] = self.text((member, key), template)
        return out

    def args(self, templates: Sequence[str]) -> list[str]:
        out = []
        for index, template in enumerate(templates):
            with suppress(_Absent):
                text = self.text(("args", index), template)
                opener = parts(template)[0]
                if text.startswith("-") and not isinstance(opener, Text):
                    raise UnusableValue(self._spec.name, f"the value of {opener.name} must not begin with '-'")
                out.append(text)
        return out

    def tree(self, path: Path, value: Any) -> Any:
        """A JSON value with every text in it filled in; members whose optional variable is not set are left out."""
        if isinstance(value, str) and value and path[0] == "openapi" and path[-1] in ADDRESSES:
            return self.url(value)
        if isinstance(value, str) or (isinstance(value, dict) and "$sealed" in value):
            return self.text(path, value)
        if isinstance(value, dict):
            out = {}
            for key, item in value.items():
                with suppress(_Absent):
                    out[key] = self.tree((*path, key), item)
            return out
        if isinstance(value, list):
            kept = []
            for index, item in enumerate(value):
                with suppress(_Absent):
                    kept.append(self.tree((*path, index), item))
            return kept
        return value

    def url(self, template: str) -> str:
        """Values are percent-encoded; in the host, which only `mcphub.userHosts` allows, they stand as they are."""
        first = parts(template)[0]
        fixed = "${" not in template.partition("://")[0]
        if isinstance(first, Variable) and not is_slot(first.name):  # may hold the whole beginning of the address
            template = self.value(first.name).replace("${", "$${") + template[len(first.name) + len("${}") :]
        front, question, query = template.partition("?")
        scheme, slashes, rest = front.partition("://")
        authority, slash, path = rest.partition("/")
        before = path.split("/")
        try:
            origin = self.text((), scheme) + slashes + self.text((), authority)
            segments = [self.text((), segment, _component) for segment in before]
        except _Absent as absent:  # an address has no part that could be left out
            slot = self._spec.slots[canonical(str(absent))]
            self._missing[slot.name] = None
            return ""
        if any(now in {".", ".."} and was not in {".", ".."} for now, was in zip(segments, before, strict=True)):
            raise UnusableValue(self._spec.name, "a value leads out of the address's path")
        if not fixed or "${" in authority:
            self._check_origin(origin, by_user=any(is_slot(name) for name in variables(authority)))
        kept = []
        for parameter in query.split("&") if question else ():
            with suppress(_Absent):
                kept.append(self.text((), parameter, _component))
        return origin + slash + "/".join(segments) + ("?" + "&".join(kept) if kept else "")

    def _check_origin(self, origin: str, *, by_user: bool) -> None:
        if self._missing or self._missing_hub:
            return  # refused by `finish`
        host = dialled_host(origin)
        if host is None or "@" in origin or origin.count("/") != 2 or any(char in origin for char in "?#"):
            raise UnusableValue(self._spec.name, "the host in its address is no host")
        if by_user and not any(fnmatchcase(host, pattern.lower()) for pattern in self._spec.user_hosts):
            raise UnusableValue(self._spec.name, "the host given is none an administrator allowed for it")

    def finish(self) -> None:
        """
        Raises:
            MissingVariables: a required variable has no value.
        """
        if self._missing_hub:
            raise MissingVariables(self._spec.name, self._spec.slug, list(self._missing_hub), hub=True)
        if self._missing:
            in_the_form = [slot.name for slot in self._spec.slots.values() if slot.name in self._missing]
            raise MissingVariables(self._spec.name, self._spec.slug, in_the_form or list(self._missing))


def _component(value: str) -> str:
    return quote(value, safe="")


def fits_header(value: str) -> bool:
    """Can a header carry it as it is? Tab and printable ASCII, and what RFC 9110 §5.5 lets pass above that."""
    return all(char == "\t" or (" " <= char <= "\xff" and char != "\x7f") for char in value)


def check_value(slot: Slot, value: str) -> str | None:
    """Why a value, trimmed at its ends, cannot be saved for a slot, as a code; None when it can."""
    if BULLETS in value:
        return "masked_value"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "value_not_allowed"
    if not 0 < size <= MOST_VALUE or "\0" in value or (slot.opens_argument and value.startswith("-")):
        return "value_not_allowed"
    if not {"url", "openapi"}.isdisjoint(slot.placements) and ("\r" in value or "\n" in value):
        return "value_not_allowed"
    if "header" in slot.placements and not fits_header(value):
        return "value_not_allowed"
    if slot.pattern and not matches(slot.pattern, value):
        return "pattern_mismatch"
    return None
