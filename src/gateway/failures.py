"""What the caller is told about a failure on the way to a server."""

from mcphub.domain.settings_state import ServerState
from mcphub.domain.substitution import MissingVariables, UnusableValue
from mcphub.domain.vault import Unopenable
from mcphub.gateway import errors, wire
from mcphub.gateway.errors import Answer
from mcphub.gateway.upstream.runtime import (
    UpstreamBroken,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)


def explained(error: Exception, server: ServerState, request_id: str, public: str) -> Exception:
    """The answer that says so; what is no such failure is given back as it is.

    Args:
        public: where the hub's own pages are, for the one that takes a missing value.
    """
    slug = server.slug
    match error:
        case Answer():
            return error
        case MissingVariables() if error.hub:
            return errors.hub_values_missing(slug, error.names, request_id)
        case MissingVariables():
            return errors.values_missing(slug, error.names, public, request_id)
        case UnusableValue():
            return errors.value_unusable(str(error), slug, public, request_id)
        case Unopenable():
            return errors.unavailable(slug, str(error), None, request_id)
        case UpstreamRefused() if server.spec.slots:
            return errors.values_rejected(slug, str(error), variables(server), public, request_id)
        case UpstreamUnavailable() if error.refused and server.spec.slots:
            return errors.values_rejected(slug, error.reason, variables(server), public, request_id)
        case UpstreamUnavailable():
            return errors.unavailable(slug, error.reason, error.next_retry_at, request_id)
        case UpstreamTimeout():
            return errors.timed_out(slug, error.seconds, request_id)
        case UpstreamUnreachable():
            return errors.unreachable(slug, str(error), request_id, sent=error.sent)
        case UpstreamBroken():
            return errors.broken(slug, str(error), request_id)
    return error


def variables(server: ServerState) -> list[str]:
    """What a server takes of its users, as the settings page calls it."""
    return [slot.name for slot in server.spec.slots.values()]


def code_of(error: bytes) -> str:
    """The code of an error that a server answered; '' when it has none."""
    try:
        return bytes(wire.members(error).get("code", b"")).decode()[:20]
    except (wire.Unreadable, UnicodeDecodeError):
        return ""
