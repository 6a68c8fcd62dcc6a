"""Signing in with GitHub, at github.com or a GitHub Enterprise.

Who somebody is says the number of the account: logins change, and a login that became free is given to others.

Sources: GitHub documentation, Authorizing OAuth apps; REST API, Organization members, Team members and Teams.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx2
import structlog
from authlib.integrations.httpx_client import AsyncOAuth2Client

from mcphub.api.auth.errand import OUTSIDE, Errand, failure, text, web_address
from mcphub.api.auth.providers import MOST_MEMBERSHIPS, Flow, NotAMember, Person, ProviderFailed, Vouched
from mcphub.domain.audience import Membership
from mcphub.settings import GITHUB, ProviderSettings, Settings

log = structlog.get_logger()

PAGE = 100  # as many as GitHub gives at once
REFRESH = "refresh:"  # how a grant begins that is no access token; GitHub Apps give those, OAuth apps do not
YES, NO = 200, 404


class GitHub:
    """Implements Provider."""

    def __init__(self, hub: Settings, settings: ProviderSettings) -> None:
        self.settings = settings
        self._errand = Errand(hub, settings)
        self._oauth = f"{settings.issuer}/login/oauth"
        self._api = "https://api.github.com" if settings.issuer == GITHUB else f"{settings.issuer}/api/v3"

    async def address(self, state: str, flow: Flow) -> str:
        async with self._errand.client() as client:
            address, _ = client.create_authorization_url(
                f"{self._oauth}/authorize", state=state, code_verifier=flow.verifier
            )
        return str(address)

    async def redeem(self, code: str, flow: Flow, answered: Mapping[str, str]) -> Vouched:
        try:
            async with self._errand.client() as client:
                # GitHub answers errors with status 200; the client looks for them.
                await client.fetch_token(f"{self._oauth}/access_token", code=code, code_verifier=flow.verifier)
                return await self._vouched(client)
        except OUTSIDE as error:
            raise failure(error) from None

    async def again(self, grant: str) -> Vouched:
        try:
            if not grant.startswith(REFRESH):
                async with self._errand.client({"access_token": grant, "token_type": "bearer"}) as client:
                    return await self._vouched(client)
            async with self._errand.client() as client:
                refresh = grant.removeprefix(REFRESH)
                await client.fetch_token(
                    f"{self._oauth}/access_token", grant_type="refresh_token", refresh_token=refresh
                )
                grant = REFRESH + str(client.token.get("refresh_token") or refresh)
                return await self._vouched(client)
        except OUTSIDE as error:
            raise failure(error, grant) from None

    async def _vouched(self, client: AsyncOAuth2Client) -> Vouched:
        person = await self._person(client)
        if self.settings.allow:
            await self._must_be_member(client, person)
        refresh = client.token.get("refresh_token")
        grant = REFRESH + refresh if refresh else str(client.token["access_token"])
        return Vouched(person, grant, await self._memberships(client))

    async def _person(self, client: AsyncOAuth2Client) -> Person:
        said = await self._read(client, "/user")
        if not isinstance(said, dict) or type(said.get("id")) is not int or not text(said.get("login")):
            raise ProviderFailed("the provider says nobody")
        return Person(
            subject=str(said["id"]),
            login=text(said["login"]),
            display_name=text(said.get("name")),
            email=text(said.get("email")) or await self._email(client),
            avatar_url=web_address(said.get("avatar_url")),
            profile_url=web_address(said.get("html_url")),
        )

    async def _email(self, client: AsyncOAuth2Client) -> str:
        """The main address of somebody who shows none; '' when that is not to be known."""
        try:
            said = await self._read(client, "/user/emails")
        except httpx2.HTTPStatusError:
            return ""
        found = [one for one in said if isinstance(one, dict) and one.get("primary") and one.get("verified")]
        return text(found[0].get("email")) if found else ""

    async def _must_be_member(self, client: AsyncOAuth2Client, person: Person) -> None:
        """
        Raises:
            NotAMember: of nothing the allow-list names.
            ProviderFailed: the provider would not say; an organisation may have closed itself to the app.
        """
        silent: list[ProviderFailed] = []
        for entry in sorted(self.settings.allow):
            organisation, team, login = (quote(word, safe="") for word in (*entry.partition("/")[::2], person.login))
            path = f"/orgs/{organisation}/teams/{team}/memberships/{login}" if team else ""
            path = path or f"/user/memberships/orgs/{organisation}"
            response = await client.get(self._api + path)
            if response.status_code == YES and _active(response):
                return
            if response.status_code not in {YES, NO}:
                silent.append(ProviderFailed(f"the provider answers HTTP {response.status_code} about {entry}"))
        if silent:
            raise silent[0]
        raise NotAMember(person.subject)

    async def _memberships(self, client: AsyncOAuth2Client) -> frozenset[Membership] | None:
        """Organisations the person is an active member of, and teams there; None when that is not to be known.

        An organisation that has closed itself to the app is in neither list.
        """
        try:
            orgs = [
                one["organization"]["login"].lower()
                for one in await self._pages(client, "/user/memberships/orgs?state=active&")
                if one.get("state") == "active"  # an invitation not yet taken is no membership
            ]
            teams = [
                (one["organization"]["login"].lower(), one["slug"].lower())
                for one in await self._pages(client, "/user/teams?")
            ]
        except OUTSIDE as error:
            log.warning("memberships_not_said", provider=self.settings.name, why=str(failure(error)))
            return None
        found = {Membership("organization", org) for org in orgs}
        return frozenset(found | {Membership("team", f"{org}/{slug}") for org, slug in teams if org in orgs})

    async def _pages(self, client: AsyncOAuth2Client, path: str) -> list[Any]:
        """The whole list, as far as it is kept of anybody."""
        found: list[Any] = []
        for page in range(1, MOST_MEMBERSHIPS // PAGE + 1):
            said = await self._read(client, f"{path}per_page={PAGE}&page={page}")
            found += said
            if len(said) < PAGE:
                break
        return found

    async def _read(self, client: AsyncOAuth2Client, path: str) -> Any:
        response = await client.get(self._api + path)
        response.raise_for_status()
        return response.json()


def _active(response: httpx2.Response) -> bool:
    """An invitation not yet taken is no membership."""
    said = response.json()
    return isinstance(said, dict) and said.get("state") == "active"
