"""Signing in elsewhere: out to a provider, and back. No answer and no address ever holds a token."""

import asyncio
from typing import Annotated, Any

import structlog
from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from mcphub.api.auth.arrivals import Arrivals, Turned
from mcphub.api.auth.flows import Flows, flow_cookie, is_page, set_flow_cookie
from mcphub.api.auth.kinds import Providers
from mcphub.api.auth.providers import NotAMember, ProviderFailed
from mcphub.api.auth.throttle import Throttle
from mcphub.api.caller import PUBLIC, Guard
from mcphub.api.incoming import incoming
from mcphub.api.problems import Problem
from mcphub.api.schemas import at_each
from mcphub.api.services import Services

log = structlog.get_logger()

GITHUB = "github"
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
        services: NamedDependency[Services],
    ) -> Response[None]:
        return await _back(request, services, providers, flows, arrivals, guard, GITHUB)

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
        services: NamedDependency[Services],
    ) -> Response[None]:
        return await _back(request, services, providers, flows, arrivals, guard, provider, kind="oidc")


async def _out(
    request: Request[Any, Any, Any],
    services: Services,
    providers: Providers,
    flows: Flows,
    throttle: Throttle,
    name: str,
    next_: str,
    *,
    kind: str = GITHUB,
) -> Response[None]:
    """
    Raises:
        Problem: no such provider, or a page that is none.
    """
    provider = providers.named(name, kind)
    if next_ and not is_page(next_):
        raise Problem(400, "bad_next", "Nobody is sent there after signing in.", "Name a page of this hub: /servers.")
    throttle.set_out(incoming().ip)
    https = services.settings.https
    state, cookie, flow = await asyncio.to_thread(flows.begin, name, request.cookies.get(flow_cookie(https), ""), next_)
    try:
        address = await provider.address(state, flow)
    except ProviderFailed as error:
        return _error("provider_error", name, why=str(error))
    incoming().cookies.append(set_flow_cookie(https, cookie))
    return _to(address)


async def _back(
    request: Request[Any, Any, Any],
    services: Services,
    providers: Providers,
    flows: Flows,
    arrivals: Arrivals,
    guard: Guard,
    name: str,
    *,
    kind: str = GITHUB,
) -> Response[None]:
    """What went wrong is a page, too: a browser is here, not a script."""
    provider = providers.named(name, kind)
    query = {key: values[0] for key, values in request.query_params.dict().items() if len(values) == 1}
    cookie = request.cookies.get(flow_cookie(services.settings.https), "")
    await guard.must_be_fresh()
    back = await asyncio.to_thread(flows.take, query.get("state", ""), cookie)
    if back is None or back.provider != name:
        return _error("state_invalid", name)
    code = query.get("code", "")
    if not code or "error" in query:
        return _error("provider_error", name, why="it sent the browser back without a code")
    try:
        vouched = await provider.redeem(code, back.flow, query)
        arrived = await arrivals.arrive(provider.settings, vouched)
    except ProviderFailed as error:
        return _error("provider_error", name, why=str(error))
    except NotAMember as error:
        await arrivals.turn_away(provider.settings, error.subject)
        return _error("not_a_member", name)
    except Turned as turned:
        return _error(turned.code, name)
    incoming().cookies.append(set_flow_cookie(services.settings.https, ""))
    return _to(WELCOME if arrived.first_time else back.next or "/")


def _to(address: str) -> Response[None]:
    return Response(None, status_code=302, headers={"Location": address})


def _error(code: str, provider: str, *, why: str = "") -> Response[None]:
    log.info("sign_in_refused", provider=provider, outcome=code, why=why)
    return _to(f"/auth/error?code={code}")
