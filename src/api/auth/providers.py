"""Where people sign in who do not sign in here: what both kinds of provider can do, and what comes of it."""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc.errors import JoseError
from msgspec import Struct

from mcphub.api.outgoing import GuardedTransport, client_options
from mcphub.gateway.upstream.transport import EgressDenied
from mcphub.gateway.way_out import WayOut
from mcphub.settings import ProviderSettings, Settings

MOST_TEXT = 500  # characters of anything a provider says of a person


class ProviderFailed(Exception):
    """The provider did not do its part. The text is for the log and repeats nothing a provider or browser said.

    `final`: it will not do it next time either, with the same grant. `grant`: to ask with next time, if it is not.
    """

    def __init__(self, why: str, *, final: bool = False, grant: str = "") -> None:
        super().__init__(why)
        self.final = final
        self.grant = grant


class NotAMember(Exception):
    """The allow-list does not name the person with this subject."""

    def __init__(self, subject: str) -> None:
        super().__init__("not a member")
        self.subject = subject


# What goes wrong outside: the provider does not answer, answers no, or answers what cannot be believed. The last three
# are what libraries make of JSON that has another shape than theirs.
OUTSIDE = (
    *(ProviderFailed, httpx2.HTTPError, httpx2.InvalidURL, OAuthError, JoseError, EgressDenied, ValueError, OSError),
    *(KeyError, TypeError, AttributeError),
)


class Person(Struct, frozen=True):
    """Who a provider says is there. `subject` is what never changes; the rest is for people to read."""

    subject: str
    login: str
    display_name: str = ""
    email: str = ""
    avatar_url: str = ""
    profile_url: str = ""


class Vouched(Struct, frozen=True):
    """A person who fits the allow-list, and by what the provider can be asked again.

    `grant` is a secret; '' when the provider gave none, or nothing will be asked.
    """

    person: Person
    grant: str = ""


class Flow(Struct, frozen=True):
    """What the hub remembers of a browser on its way."""

    verifier: str
    nonce: str


class Provider(Protocol):
    settings: ProviderSettings

    async def address(self, state: str, flow: Flow) -> str:
        """Where the browser is sent.

        Raises:
            ProviderFailed: it could not be found out.
        """

    async def redeem(self, code: str, flow: Flow, answered: Mapping[str, str]) -> Vouched:
        """Who came back with this code; `answered` is all the provider put into the address.

        Raises:
            ProviderFailed: the provider does not say, or not in a way to be believed.
            NotAMember: the allow-list does not name them.
        """

    async def again(self, grant: str) -> Vouched:
        """Who stands behind an earlier grant, and whether the allow-list still names them. The grant is spent.

        Raises:
            ProviderFailed: no answer; `final` when the grant is no good any more.
            NotAMember: not any more.
        """


def failure(error: Exception, grant: str = "") -> ProviderFailed:
    """Why, in words of ours: an error's own text may repeat a code or a token."""
    why, final = f"the provider's answer is no good ({type(error).__name__})", False
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
