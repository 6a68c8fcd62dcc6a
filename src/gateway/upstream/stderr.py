"""The newest lines a server's process wrote to stderr, for administrators and error texts, without its secrets."""

import base64
import re
from collections import deque
from collections.abc import Iterable
from urllib.parse import quote

from mcphub.domain.server_spec import ServerSpec
from mcphub.domain.substitution import Injected
from mcphub.logging import redacted

LINES = 200
MOST_LINE = 64 * 1024  # bytes; cut in the middle, a line could show half a secret, so longer ones are left out
LONGEST = 2000  # characters of a line that are kept
QUOTED = 300  # in an error's text
SHORTEST_WORD = 8  # of a header like "Bearer …": shorter words are no secrets
SECURITY = {"value", "credentials", "clientSecret", "token"}  # members of `openapi.security` that are secrets
SHORTEST = 4  # characters; what is shorter is in every line by chance
HIDDEN = "[hidden]"


class Stderr:
    """
    Args:
        secrets: values that must not be in any line, in no usual spelling.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        self._lines: deque[str] = deque(maxlen=LINES)
        self._partial = b""
        self._skipping = False
        parts = {part.strip() for secret in secrets for part in (secret, *secret.splitlines())}
        forms = {form for part in parts if len(part) >= SHORTEST for form in spellings(part)}
        found = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
        self._secrets = re.compile(found) if found else None

    def feed(self, piece: bytes) -> None:
        *lines, rest = piece.split(b"\n")
        for line in lines:
            whole = self._partial + line
            self._partial = b""
            if self._skipping or len(whole) > MOST_LINE:
                self._skipping = False
                whole = b"(a line of more than %d bytes)" % MOST_LINE
            self._add(whole)
        self._partial += rest
        if len(self._partial) > MOST_LINE:
            self._partial, self._skipping = b"", True

    def _add(self, line: bytes) -> None:
        text = self.masked(line.decode("utf-8", "replace").rstrip())
        if text:
            self._lines.append(text[:LONGEST])

    def masked(self, text: str) -> str:
        if self._secrets is not None:
            text = self._secrets.sub(HIDDEN, text)
        return str(redacted(text))

    @property
    def lines(self) -> list[str]:
        """Oldest first."""
        return list(self._lines)

    @property
    def last(self) -> str:
        """The newest line that says something, short; '' when there is none."""
        return next((line[:QUOTED] for line in reversed(self._lines) if line.strip()), "")


def spellings(secret: str) -> set[str]:
    raw = secret.encode()
    encoded = {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode()}
    return {secret, quote(secret, safe=""), quote(secret), *encoded, *(text.rstrip("=") for text in encoded)}


def secrets_of(spec: ServerSpec, injected: Injected) -> set[str]:
    """The user's values, the hub's, and what the configuration holds sealed."""
    found = {*injected.values.values(), *injected.hub_values.values()}
    for name, value in injected.headers.items():
        if value != spec.headers.get(name):
            found |= {value, *(word for word in value.split() if len(word) >= SHORTEST_WORD)}
    security = injected.openapi.get("security")
    for part in security.values() if isinstance(security, dict) else ():
        found |= {text for name in SECURITY & part.keys() if (text := part[name])} if isinstance(part, dict) else set()
    for name, value in injected.env.items():
        template = spec.env.get(name)
        if not isinstance(template, str) or "${" in template:
            found.add(value)
    found.update(value for value, template in zip(injected.args, spec.args, strict=False) if value != template)
    return found
