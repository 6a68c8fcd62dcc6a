"""Does a text hold what was given to a server in confidence? Asked before a server's words are put on the record."""

from collections.abc import Callable, Iterable

from mcphub.gateway import wire
from mcphub.gateway.upstream.stderr import SHORTEST, spellings

Tells = Callable[[str], bool]


def nothing(text: str) -> bool:
    """For a server that was given nothing."""
    return False


def telling(secrets: Callable[[], Iterable[str]]) -> Tells:
    """
    Args:
        secrets: asked at the first text; what is shorter than four characters is in every text by chance.
    """
    forms: list[str] | None = None

    def tells(text: str) -> bool:
        nonlocal forms
        if forms is None:
            try:
                long = [secret for secret in secrets() if len(secret) >= SHORTEST]
            except Exception:  # a value changed in this moment; who knows what the text holds
                return True
            in_json = {wire.encode(secret)[1:-1].decode() for secret in long}
            forms = sorted({*in_json, *(form for secret in long for form in spellings(secret))})
        return any(form in text for form in forms)

    return tells
