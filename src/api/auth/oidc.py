"""Signing in with any OpenID Connect provider, by its address alone.

Spec: OpenID Connect Core 1.0, 3.1 (code flow); Discovery 1.0; RFC 9207 for `iss` in the answer.
"""

import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from msgspec import Struct
from msgspec.structs import replace

from mcphub.api.auth.errand import OUTSIDE, Errand, failure, text, web_address
from mcphub.api.auth.providers import Flow, NotAMember, Person, ProviderFailed, Vouched
from mcphub.domain.audience import Membership
from mcphub.settings import LOOPBACK, ProviderSettings, Settings

log = structlog.get_logger()

DISCOVERED_SECONDS = 3600.0
LEEWAY = 60  # seconds clocks may differ
# Signatures by a key only the provider has; never `none`, never one that the client's secret could make.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
ASYMMETRIC = {"RSA", "EC", "OKP"}


class Discovered(Struct, frozen=True, kw_only=True):
    """What the provider says of itself; other members are of no use here."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    scopes_supported: list[str] = []
    token_endpoint_auth_methods_supported: list[str] = []
    authorization_response_iss_parameter_supported: bool = False


class Oidc:
    """Implements Provider.

    Args:
        clock: Unix seconds.
    """

    def __init__(self, hub: Settings, settings: ProviderSettings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._errand = Errand(hub, settings)
        self._clock = clock
        self._discovered: tuple[float, Discovered] | None = None

    async def address(self, state: str, flow: Flow) -> str:
        try:
            async with self._errand.client() as client:
                known = await self._discover(client)
                address, _ = client.create_authorization_url(
                    known.authorization_endpoint,
                    state=state,
                    code_verifier=flow.verifier,
                    nonce=flow.nonce,
                    **self._lasting(known),
                )
        except OUTSIDE as error:
            raise failure(error) from None
        return str(address)

    def _lasting(self, known: Discovered) -> dict[str, str]:
        """What asks for a grant that outlives the sign-in, which only the daily look needs."""
        if "offline_access" in known.scopes_supported:
            return {"scope": " ".join(dict.fromkeys([*self.settings.scopes, "offline_access"]))}
        # Google's way; a parameter that is not known is passed over (RFC 6749, 3.1). It asks people each time, so it
        # is for allow-lists only.
        return {"access_type": "offline", "prompt": "consent"} if self.settings.allow else {}

    async def redeem(self, code: str, flow: Flow, answered: Mapping[str, str]) -> Vouched:
        try:
            async with self._errand.client() as client:
                known = await self._discover(client)
                said = answered.get("iss")
                if said is None and known.authorization_response_iss_parameter_supported:
                    raise ProviderFailed("the answer does not say whose it is")
                if said is not None and said != known.issuer:
                    raise ProviderFailed("the answer is another provider's")
                await client.fetch_token(known.token_endpoint, code=code, code_verifier=flow.verifier)
                claims = await self._claims(client, known, flow.nonce)
                return await self._vouched(client, known, claims)
        except OUTSIDE as error:
            raise failure(error) from None

    async def again(self, grant: str) -> Vouched:
        try:
            async with self._errand.client() as client:
                known = await self._discover(client)
                await client.fetch_token(known.token_endpoint, grant_type="refresh_token", refresh_token=grant)
                grant = str(client.token.get("refresh_token") or grant)
                # A refreshed id_token is optional, and carries no nonce.
                claims = await self._claims(client, known, None) if client.token.get("id_token") else {}
                return replace(await self._vouched(client, known, claims), grant=grant)
        except OUTSIDE as error:
            raise failure(error, grant) from None

    # what it says of itself

    async def _discover(self, client: AsyncOAuth2Client) -> Discovered:
        """
        Raises:
            ProviderFailed: it speaks for another issuer, or sends browsers where they would be overheard.
        """
        if self._discovered is None or self._discovered[0] <= self._clock():
            address = f"{self.settings.issuer}/.well-known/openid-configuration"
            known = msgspec.convert(await _read(client, address, withhold_token=True), Discovered)
            if known.issuer.rstrip("/") != self.settings.issuer:
                raise ProviderFailed("the provider's document is of another issuer")
            target = urlsplit(known.authorization_endpoint)
            if target.scheme != "https" and target.hostname not in LOOPBACK:
                raise ProviderFailed("the provider's page is not at an https address")
            self._discovered = (self._clock() + DISCOVERED_SECONDS, known)
        known = self._discovered[1]
        methods = known.token_endpoint_auth_methods_supported
        if methods and "client_secret_post" not in methods and "client_secret_basic" in methods:
            client.token_endpoint_auth_method = "client_secret_basic"  # noqa: S105  the name of a method
        return known

    async def _keys(self, client: AsyncOAuth2Client, known: Discovered) -> KeySet:
        """The provider's keys as they are now: it may have changed them a moment ago."""
        said = await _read(client, known.jwks_uri, withhold_token=True)
        listed = said.get("keys") if isinstance(said, dict) else None
        keys = []
        for one in listed if isinstance(listed, list) else []:
            if isinstance(one, dict) and one.get("kty") in ASYMMETRIC and one.get("use", "sig") == "sig":
                try:
                    keys += KeySet.import_key_set({"keys": [one]}).keys
                except (JoseError, ValueError, TypeError, KeyError):
                    continue  # of a kind this hub does not know
        return KeySet(keys)

    # what it says of a person

    async def _claims(self, client: AsyncOAuth2Client, known: Discovered, nonce: str | None) -> dict[str, Any]:
        """The checked claims of the id_token.

        Raises:
            JoseError, ProviderFailed: they are not to be believed.
        """
        token = client.token.get("id_token")
        if not isinstance(token, str):
            raise ProviderFailed("the provider gave no id_token")
        claims = jwt.decode(token, await self._keys(client, known), algorithms=ALGORITHMS).claims
        jwt.JWTClaimsRegistry(
            now=lambda: int(self._clock()),
            leeway=LEEWAY,
            iss={"essential": True, "value": known.issuer},
            aud={"essential": True, "value": self.settings.client_id},
            sub={"essential": True},
            exp={"essential": True},
        ).validate(claims)
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if (several or "azp" in claims) and claims.get("azp") != self.settings.client_id:
            raise ProviderFailed("the id_token was made for another client")
        if nonce is not None and not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise ProviderFailed("the id_token was made for another sign-in")
        return claims

    async def _vouched(self, client: AsyncOAuth2Client, known: Discovered, claims: dict[str, Any]) -> Vouched:
        needed = {"sub", "email"} | ({self.settings.groups_claim} if self._groups else set())
        silent = False
        if known.userinfo_endpoint and not needed | {self.settings.groups_claim} <= claims.keys():
            try:
                said = await _read(client, known.userinfo_endpoint)
            except OUTSIDE as error:
                if not needed <= claims.keys():
                    raise
                log.warning("memberships_not_said", provider=self.settings.name, why=str(failure(error)))
                said, silent = {"sub": claims["sub"]}, True
            if not isinstance(said, dict) or said.get("sub") != claims.get("sub", said.get("sub")):
                raise ProviderFailed("the provider speaks of two people")
            if "email" in claims:  # whether it is verified is said where the address is
                said.pop("email_verified", None)
            claims = said | claims  # what is signed counts
        subject = claims.get(self.settings.subject_claim)
        if not isinstance(subject, str) or not subject:
            raise ProviderFailed("the provider says nobody")
        if self.settings.allow and not self._fits(claims):
            raise NotAMember(subject)
        groups = None if silent else frozenset(Membership("group", name) for name in self._groups_of(claims))
        return Vouched(_person(subject, claims), str(client.token.get("refresh_token") or ""), groups)

    @property
    def _groups(self) -> set[str]:
        return {entry.removeprefix("group:") for entry in self.settings.allow if entry.startswith("group:")}

    def _groups_of(self, claims: dict[str, Any]) -> set[str]:
        said = claims.get(self.settings.groups_claim)
        groups = said if isinstance(said, list) else [said]
        return {group for group in groups if isinstance(group, str) and group}

    def _fits(self, claims: dict[str, Any]) -> bool:
        """Is the person in a group of the allow-list, or is their address, which the provider verified, in a domain?"""
        if self._groups & self._groups_of(claims):
            return True
        domain = text(claims.get("email")).rpartition("@")[2].lower()
        verified = claims.get("email_verified") in (True, "true")
        return verified and any(entry.lower() == f"domain:{domain}" for entry in self.settings.allow if domain)


def _person(subject: str, claims: dict[str, Any]) -> Person:
    email = text(claims.get("email"))
    return Person(
        subject=subject,
        login=text(claims.get("preferred_username")) or email.partition("@")[0],
        display_name=text(claims.get("name")),
        email=email if claims.get("email_verified") not in (False, "false") else "",
        avatar_url=web_address(claims.get("picture")),
        profile_url=web_address(claims.get("profile")),
    )


async def _read(client: AsyncOAuth2Client, address: str, **options: Any) -> Any:
    response = await client.request("GET", address, **options)
    response.raise_for_status()
    return response.json()
