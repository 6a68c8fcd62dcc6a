"""Facts as people may read them: what is sealed, hashed or a digest is left out, masked or counted."""

from typing import Any

import msgspec

from mcphub.domain.codec import encode
from mcphub.domain.events import Event
from mcphub.domain.literal_secrets import masked
from mcphub.domain.vault import MASK

# Sealed, or good for nothing but comparing: no reader needs them.
SEALED = {"sealed", "username", "display_name", "email", "subject", "login", "avatar_url", "profile_url"}
LEFT_OUT = {"digest", "identity", "fingerprint", "data_key", "type"}


def shown_fact(event: Event, *, whole: bool) -> dict[str, Any]:
    """The fields of a fact.

    Args:
        whole: with configurations and audiences, which only administrators and auditors read.
    """
    out: dict[str, Any] = {}
    for name, value in msgspec.json.decode(encode(event)).items():
        if name in LEFT_OUT:
            continue
        if name in SEALED:
            out[name] = MASK if value else ""
        elif name in {"config", "preserved", "audience"}:
            out |= {name: masked(value)} if whole else {}
        elif name == "memberships":
            out[name] = len(value)
        else:
            out[name] = value
    return out
