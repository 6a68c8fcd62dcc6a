"""How a service is shown who calls: a key, credentials as they are, or a token that the hub gets for one user.

A token is kept in memory beside the values it was got with, for as long as it is good, and written nowhere.

Spec: RFC 6749, sections 2.3.1 and 4.4 (client credentials); OpenID Connect Discovery 1.0, section 4; RFC 6750.
"""

import asyncio
import re
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import msgspec
from msgspec import Struct
from multidict import CIMultiDict
from yarl import URL

from mcphub.gateway.upstream.context import NOT_FROM_TEMPLATES, REFUSED_PREFIXES
from mcphub.gateway.upstream.runtime import UpstreamBroken, UpstreamUnreachable
from mcphub.gateway.upstream.transport import HttpTransport, url_of

MOST_ANSWER = 256 * 1024  # bytes of a token endpoint's answer
EARLY_SECONDS = 30.0  # before its end a token is not used any more
UNSAID_SECONDS = 300.0  # how long one is used whose life nobody told
ERROR = re.compile(r"[a-z_]{1,40}")


class Shown(Struct, frozen=True):
    """What one request carries; all encoded."""

    headers: Mapping[str, str] = {}
    query: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()


class _Answer(Struct):
    access_token: str
    token_type: str = "bearer"  # noqa: S105  a scheme
    expires_in: float | str | None = None


class _Discovery(Struct):
    token_endpoint: str


class Security:
    """The `openapi.security` of a server, filled in for one user.

    Args:
        http: (address that named it, or '' for the settings) → the transport for an address.

    Raises:
        UpstreamBroken: it names a header that is not its own to set.
    """

    def __init__(self, config: Mapping[str, Any], http: Callable[[str], HttpTransport], agent: str) -> None:
        self._kind = str(config.get("type", "none"))
        found = config.get(self._kind)
        self._part: Mapping[str, Any] = found if isinstance(found, dict) else {}
        self._http = http
        self._agent = agent
        self._token = ""
        self._until = 0.0  # monotonic
        self._getting = asyncio.Lock()
        where, name = self.place or ("", "")
        taken = name.lower() in NOT_FROM_TEMPLATES or name.lower().startswith(REFUSED_PREFIXES)
        if where == "header" and taken:
            raise UpstreamBroken(f"its security names the header {name[:60]!r}, which is not its own to set")

    @property
    def place(self) -> tuple[str, str] | None:
        """(where, name) of a parameter it fills in."""
        if self._kind == "apiKey":
            return str(self._part.get("in")), str(self._part.get("name"))
        return None

    @property
    def secrets(self) -> set[str]:
        """What it got beside the values it was given, and nobody must be shown."""
        return {self._token} - {""}

    async def shown(self) -> Shown:
        """Nothing when what it takes is a variable that need not be set, and is not.

        Raises:
            UpstreamFailed: a token cannot be had.
        """
        match self._kind:
            case "apiKey":
                return self._api_key()
            case "http":
                if not self._part.get("credentials"):
                    return Shown()
                scheme = str(self._part.get("scheme", ""))
                named = scheme.capitalize() if scheme.lower() in {"basic", "bearer", "digest"} else scheme
                return Shown({"Authorization": f"{named} {self._part['credentials']}"})
            case "oauth2" | "openIdConnect":
                token = str(self._part.get("token") or "")
                if not token and not self._part.get("clientSecret"):
                    return Shown()
                return Shown({"Authorization": f"Bearer {token or await self._got()}"})
        return Shown()

    def refused(self, shown: Shown) -> None:
        """The service did not take what it was shown: the next request gets a token anew."""
        if self._token and shown.headers.get("Authorization") == f"Bearer {self._token}":
            self._token = ""

    def _api_key(self) -> Shown:
        name, value = str(self._part.get("name", "")), str(self._part.get("value", ""))
        if not value:
            return Shown()
        match self._part.get("in"):
            case "query":
                return Shown(query=(f"{quote(name, safe='')}={quote(value, safe='')}",))
            case "cookie":
                return Shown(cookies=(f"{name}={quote(value, safe='')}",))
        return Shown({name: value})

    async def _got(self) -> str:
        async with self._getting:
            if not self._token or time.monotonic() >= self._until:
                self._token = ""
                endpoint, named_by = await self._endpoint()
                answer = await self._asked(endpoint, self._http(named_by))
                self._token = answer.access_token
                try:
                    seconds = float(answer.expires_in) if answer.expires_in is not None else UNSAID_SECONDS
                except ValueError:
                    seconds = UNSAID_SECONDS
                self._until = time.monotonic() + max(seconds - EARLY_SECONDS, seconds / 2)
            return self._token

    async def _endpoint(self) -> tuple[URL, str]:
        """Where tokens are given, and who said so."""
        if self._kind == "oauth2":
            return url_of(str(self._part.get("tokenUrl", ""))), ""
        source = str(self._part.get("url", ""))
        headers = CIMultiDict({"User-Agent": self._agent, "Accept": "application/json", "Accept-Encoding": "identity"})
        response = await self._http("").send("GET", url_of(source), headers, None)
        body = await response.read(MOST_ANSWER)
        try:
            if response.status != 200:
                raise UpstreamBroken(f"its OpenID provider's description answers HTTP {response.status}")
            return url_of(msgspec.json.decode(body, type=_Discovery).token_endpoint), source
        except (msgspec.DecodeError, RecursionError):
            raise UpstreamBroken("its OpenID provider's description names no token endpoint") from None

    async def _asked(self, endpoint: URL, http: HttpTransport) -> _Answer:
        """By the header all authorization servers take; some take the form only."""
        client, secret = str(self._part.get("clientId", "")), str(self._part.get("clientSecret", ""))
        form = {"grant_type": "client_credentials"}
        if scopes := self._part.get("scopes"):
            form["scope"] = " ".join(map(str, scopes)) if isinstance(scopes, list) else str(scopes)
        basic = b64encode(f"{quote_plus(client)}:{quote_plus(secret)}".encode()).decode()
        status, body = await self._post(endpoint, http, form, {"Authorization": f"Basic {basic}"})
        if status in (400, 401):
            in_form = {**form, "client_id": client, "client_secret": secret}
            status, body = await self._post(endpoint, http, in_form, {})
        if status >= 500:
            raise UpstreamUnreachable(f"its token endpoint answered HTTP {status}", sent=False)
        if status != 200:
            raise UpstreamBroken(f"its token endpoint answered HTTP {status}{_reason(body)}")
        try:
            answer = msgspec.json.decode(body, type=_Answer)
        except (msgspec.DecodeError, RecursionError):
            answer = _Answer("")
        good = answer.access_token.isascii() and answer.access_token.isprintable() and answer.access_token
        if not good or answer.token_type.lower() != "bearer":
            raise UpstreamBroken("its token endpoint gave no bearer token")
        return answer

    async def _post(
        self, endpoint: URL, http: HttpTransport, form: Mapping[str, str], more: Mapping[str, str]
    ) -> tuple[int, bytes]:
        headers = CIMultiDict(
            {
                "User-Agent": self._agent,
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Content-Type": "application/x-www-form-urlencoded",
                **more,
            }
        )
        try:
            response = await http.send("POST", endpoint, headers, urlencode(form).encode())
            return response.status, await response.read(MOST_ANSWER)
        except UpstreamUnreachable as error:  # whatever happened there, the call itself was not made
            raise UpstreamUnreachable(f"its token endpoint: {error}", sent=False) from None


def _reason(body: bytes) -> str:
    """The error's code, when it is one (RFC 6749, section 5.2); its text may repeat a secret."""
    try:
        code = msgspec.json.decode(body).get("error")
    except (msgspec.DecodeError, AttributeError, RecursionError):
        return ""
    return f" ({code})" if isinstance(code, str) and ERROR.fullmatch(code) else ""
