"""Going to a provider: the client of one errand, what goes wrong there, and what is kept of what is said.

Only a hub with a provider loads this: the libraries behind it take a tenth of a second and 20 MB.
"""

from typing import Any
from urllib.parse import urlsplit

import httpx2
import structlog
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc.errors import JoseError

from mcphub.api.auth.providers import ProviderFailed
from mcphub.api.outgoing import GuardedTransport, client_options
from mcphub.gateway.upstream.transport import EgressDenied
from mcphub.gateway.way_out import WayOut
from mcphub.settings import ProviderSettings, Settings

log = structlog.get_logger()

MOST_TEXT = 500  # characters of anything a provider says of a person
# What libraries make of JSON of another shape than theirs; or a mistake of ours, so the log has the whole of it.
UNREADABLE = (KeyError, TypeError, AttributeError)
# What goes wrong outside: the provider does not answer, answers no, or answers what cannot be believed.
OUTSIDE = (
    *(ProviderFailed, httpx2.HTTPError, httpx2.InvalidURL, OAuthError, JoseError, EgressDenied, ValueError, OSError),
    *UNREADABLE,
)


def failure(error: Exception, grant: str = "") -> ProviderFailed:
    """Why, in words of ours: an error's own text may repeat a code or a token."""
    why, final = f"the provider's answer is no good ({type(error).__name__})", False
    if isinstance(error, UNREADABLE):
        log.warning("provider_answer_unreadable", exc_info=error)
    match error:
        case ProviderFailed() | EgressDenied():
            why = str(error)
        case OAuthError():
            said = str(error.error)
            named = said if said.isascii() and said.replace("_", "").isalpha() and len(said) <= 40 else "an error"
            why, final = f"the provider answers {named}", said in FINAL
        case httpx2.HTTPStatusError():
            status = error.response.status_code
            why, final = f"the provider answers HTTP {status}", status == UNAUTHORIZED
    return ProviderFailed(why, final=final, grant=grant)


# What a provider says of a grant that is over; GitHub has words of its own.
FINAL = {"invalid_grant", "bad_refresh_token"}
UNAUTHORIZED = 401


class Errand:
    """Makes the client of one errand to a provider."""

    def __init__(self, hub: Settings, provider: ProviderSettings) -> None:
        self._way_out = WayOut.of(hub)
        self._way_out.tls  # noqa: B018  made at the start: the system's certificates take a while to read
        self._allow = hub.egress_allow
        self._provider = provider
        self._named = {urlsplit(provider.issuer).hostname or ""}

    def client(self, token: dict[str, Any] | None = None) -> AsyncOAuth2Client:
        transport = GuardedTransport(self._way_out, self._allow, self._named)
        return AsyncOAuth2Client(
            client_id=self._provider.client_id,
            client_secret=self._provider.client_secret,
            # The default, HTTP Basic, is not taken by GitHub's older Enterprise versions.
            token_endpoint_auth_method="client_secret_post",  # noqa: S106  the name of a method
            code_challenge_method="S256",
            redirect_uri=self._provider.callback_url,
            scope=" ".join(self._provider.scopes),
            token=token,
            headers={"accept": "application/json", "user-agent": "mcphub"},
            **client_options(transport),
        )


def text(value: Any) -> str:
    """What a provider says, as it is kept: one line, of bounded length; '' for anything but text."""
    if not isinstance(value, str):
        return ""
    return "".join(char for char in value if char.isprintable()).strip()[:MOST_TEXT]


def web_address(value: Any) -> str:
    """An address a page may show or link to; '' for every other, a script's among them."""
    found = text(value)
    try:
        parts = urlsplit(found)
    except ValueError:
        return ""
    return found if parts.scheme in {"https", "http"} and parts.hostname else ""
