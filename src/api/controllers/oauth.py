"""Signing in elsewhere: out to a provider, and back. No answer and no address ever holds a token."""

import asyncio
from typing import Annotated, Any, Literal

import structlog
from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from mcphub.api.auth.arrivals import Arrivals, Turned
from mcphub.api.auth.flows import Flows, flow_cookie, is_page, set_flow_cookie
from mcphub.api.auth.kinds import Providers
from mcphub.api.auth.providers import NotAMember, Provider, ProviderFailed
from mcphub.api.auth.throttle import Throttle
from mcphub.api.caller import PUBLIC, Guard
from mcphub.api.incoming import Note, incoming
from mcphub.api.notes import attempt, note, signed_in
from mcphub.api.problems import Problem
from mcphub.api.schemas import at_each
from mcphub.api.services import Services
from mcphub.domain.actor import current

log = structlog.get_logger()

Kind = Literal["github", "oidc"]
GITHUB: Literal["github"] = "github"
WELCOME = "/?welcome=true"


class OAuthController(Controller):
    path = "/api"
    tags = ("Sign-in",)

    @get(
        ["/oauth/github", "/auth/github"],
        operation_id=at_each("signInWithGitHub", "/api/oauth/github"),
        summary="Go to GitHub to sign in",
        status_code=302,
        who=PUBLIC,
    )
    async def to_github(
        self,
        request: Request[Any, Any, Any],
        providers: NamedDependency[Providers],
        flows: NamedDependency[Flows],
        throttle: NamedDependency[Throttle],
        services: NamedDependency[Services],
        next_: Annotated[str, QueryParameter(name="next")] = "",
    ) -> Response[None]:
        """`next`: the page to come back to, a path of this hub."""
        return await _out(request, services, providers, flows, throttle, GITHUB, next_)

    @get(
        ["/oauth/callback", "/auth/github/callback", "/oauth/github/callback"],
        operation_id=at_each("backFromGitHub", "/api/oauth/callback"),
        summary="Come back from GitHub",
        status_code=302,
        who=PUBLIC,
    )
    async def from_github(
        self,
        request: Request[Any, Any, Any],
        providers: NamedDependency[Providers],
        flows: NamedDependency[Flows],
        arrivals: NamedDependency[Arrivals],
        guard: NamedDependency[Guard],
        throttle: NamedDependency[Throttle],
        services: NamedDependency[Services],
    ) -> Response[None]:
        return await _back(request, services, providers, flows, arrivals, guard, throttle, GITHUB)

    @get(
        "/oauth/oidc/{provider:str}",
        operation_id="signInWithOidc",
        summary="Go to an OpenID Connect provider to sign in",
        status_code=302,
        who=PUBLIC,
    )
    async def to_oidc(
        self,
        provider: FromPath[str],
        request: Request[Any, Any, Any],
        providers: NamedDependency[Providers],
        flows: NamedDependency[Flows],
        throttle: NamedDependency[Throttle],
        services: NamedDependency[Services],
        next_: Annotated[str, QueryParameter(name="next")] = "",
    ) -> Response[None]:
        """`next`: the page to come back to, a path of this hub."""
        return await _out(request, services, providers, flows, throttle, provider, next_, kind="oidc")

    @get(
        "/oauth/oidc/{provider:str}/callback",
        operation_id="backFromOidc",
        summary="Come back from an OpenID Connect provider",
        status_code=302,
        who=PUBLIC,
    )
    async def from_oidc(
        self,
        provider: FromPath[str],
        request: Request[Any, Any, Any],
        providers: NamedDependency[Providers],
        flows: NamedDependency[Flows],
        arrivals: NamedDependency[Arrivals],
        guard: NamedDependency[Guard],
        throttle: NamedDependency[Throttle],
        services: NamedDependency[Services],
    ) -> Response[None]:
        return await _back(request, services, providers, flows, arrivals, guard, throttle, provider, kind="oidc")


async def _out(
    request: Request[Any, Any, Any],
    services: Services,
    providers: Providers,
    flows: Flows,
    throttle: Throttle,
    name: str,
    next_: str,
    *,
    kind: Kind = GITHUB,
) -> Response[None]:
    """
    Raises:
        Problem: no such provider, a page that is none, or too many set out.
    """
    provider = providers.named(name, kind)
    if next_ and not is_page(next_):
        raise Problem(400, "bad_next", "Nobody is sent there after signing in.", "Name a page of this hub: /servers.")
    with attempt(kind):
        throttle.set_out(incoming().ip)
    https = services.settings.https
    state, cookie, flow = await asyncio.to_thread(flows.begin, name, request.cookies.get(flow_cookie(https), ""), next_)
    try:
        address = await provider.address(state, flow)
    except ProviderFailed as error:
        return _error("provider_error", provider, why=str(error))
    incoming().cookies.append(set_flow_cookie(https, cookie))
    return _to(address)


async def _back(
    request: Request[Any, Any, Any],
    services: Services,
    providers: Providers,
    flows: Flows,
    arrivals: Arrivals,
    guard: Guard,
    throttle: Throttle,
    name: str,
    *,
    kind: Kind = GITHUB,
) -> Response[None]:
    """What went wrong is a page, too: a browser is here, not a script.

    Raises:
        Problem: no such provider, too many came back in vain, or what this process knows may be out of date.
    """
    provider = providers.named(name, kind)
    query = {key: values[0] for key, values in request.query_params.dict().items() if len(values) == 1}
    cookie = request.cookies.get(flow_cookie(services.settings.https), "")
    await guard.must_be_fresh()
    with attempt(kind):
        throttle.come_back(incoming().ip)
    back = await asyncio.to_thread(flows.take, query.get("state", ""), cookie)
    if back is None or back.provider != name:
        return _error("state_invalid", provider)
    code = query.get("code", "")
    if not code or "error" in query:
        return _error("provider_error", provider, why="it sent the browser back without a code")
    subject = ""
    try:
        vouched = await provider.redeem(code, back.flow, query)
        subject = vouched.person.subject
        arrived = await arrivals.arrive(provider.settings, vouched)
    except ProviderFailed as error:
        return _error("provider_error", provider, why=str(error))
    except NotAMember as error:
        user_id = _user(services, provider, error.subject)
        await arrivals.turn_away(provider.settings, error.subject)
        return _error("not_a_member", provider, user_id)
    except Turned as turned:
        return _error(turned.code, provider, _user(services, provider, subject))
    throttle.came_back(incoming().ip)
    signed_in(current().actor, kind)
    incoming().cookies.append(set_flow_cookie(services.settings.https, ""))
    return _to(WELCOME if arrived.first_time else back.next or "/")


def _user(services: Services, provider: Provider, subject: str) -> str:
    """Who that is here; '' for nobody."""
    return services.model.user_by_identity.get(services.vault.identity(provider.settings.issuer, subject), "")


def _to(address: str) -> Response[None]:
    return Response(None, status_code=302, headers={"Location": address})


def _error(code: str, provider: Provider, user_id: str = "", *, why: str = "") -> Response[None]:
    log.info("sign_in_refused", provider=provider.settings.name, outcome=code, why=why)
    note(Note(action="sign_in", outcome=code, way=provider.settings.kind, subject=user_id))
    return _to(f"/auth/error?code={code}")
