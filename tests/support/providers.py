"""A GitHub and an OpenID Connect provider to sign in with, as strict as the real ones; a test says who is there.

Both hand out one-time codes, and redeem one only with the client's secret, the same redirect address and the PKCE
verifier. What a test changes: who is signed in there (`account`), and what is broken.
"""

import hmac
import json
import secrets
import ssl
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from tests.support.loopback import Loopback

CLIENT_ID, CLIENT_SECRET = "Iv1.0123456789abcdef", "canary-client-secret-5d41402abc4b"


def challenge_of(verifier: str) -> str:
    """RFC 7636, S256."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Code:
    """What a code was given out for."""

    account: Any
    redirect_uri: str
    challenge: str
    scope: str
    nonce: str = ""


class Provider:
    """What both have in common."""

    def __init__(self, callback: str, *, tls: ssl.SSLContext | None = None, public_url: str = "") -> None:
        self.callback = callback
        self.codes: dict[str, Code] = {}
        self.tokens: dict[str, Code] = {}  # access tokens
        self.refreshes: dict[str, Code] = {}
        self.broken: dict[str, int] = {}  # path → status it answers with
        self.asked: list[str] = []  # every path that was asked for
        self.given_out: list[str] = []  # every code and token, for canary searches
        self._server = Loopback(self._routes, tls=tls)
        self._public_url = public_url

    @property
    def url(self) -> str:
        """Its address as the hub is told."""
        return self._public_url or self._server.url

    @property
    def port(self) -> int:
        return self._server.port

    def __enter__(self) -> Any:
        self._server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()

    def _routes(self, app: web.Application) -> None:
        raise NotImplementedError

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        if status := self.broken.get(request.path, 0):
            return web.json_response(
                {"error": "server_error", "error_description": "canary-provider-text"}, status=status
            )
        return await handler(request)

    def fresh(self, prefix: str = "") -> str:
        made = prefix + secrets.token_urlsafe(24)
        self.given_out.append(made)
        return made

    def allow(self, account: Any, query: Any) -> web.Response:
        """The person is signed in here and agrees: back to the client with a code."""
        if query.get("client_id") != CLIENT_ID or query.get("redirect_uri") != self.callback:
            return web.Response(status=400, text="unknown client or redirect")
        if query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            return web.Response(status=400, text="only codes, only S256")
        code = self.fresh()
        self.codes[code] = Code(
            account, query["redirect_uri"], query["code_challenge"], query.get("scope", ""), query.get("nonce", "")
        )
        back = urlencode({"code": code, "state": query["state"]} | self.extra_answer())
        return web.Response(status=302, headers={"Location": f"{self.callback}?{back}"})

    def extra_answer(self) -> dict[str, str]:
        return {}

    def redeem(self, form: Any) -> Code | str:
        """What the code was given for, once; or why not."""
        given = self.codes.pop(str(form.get("code", "")), None)
        if form.get("client_id") != CLIENT_ID or form.get("client_secret") != CLIENT_SECRET:
            return "incorrect_client_credentials"
        if given is None or form.get("redirect_uri") != given.redirect_uri:
            return "bad_verification_code"
        if challenge_of(str(form.get("code_verifier", ""))) != given.challenge:
            return "bad_verification_code"
        return given


# GitHub


@dataclass
class GitHubAccount:
    id: int
    login: str
    name: str | None = None
    email: str | None = None  # the public one
    emails: list[str] = field(default_factory=list)  # primary first, all verified
    orgs: dict[str, str] = field(default_factory=dict)  # organisation → active | pending
    teams: set[str] = field(default_factory=set)  # org/team


class FakeGitHub(Provider):
    """A GitHub Enterprise. Errors of the token endpoint come with status 200, as GitHub sends them."""

    def __init__(self, callback: str, **options: Any) -> None:
        super().__init__(callback, **options)
        self.account = GitHubAccount(1, "octocat")
        self.refresh_tokens = False  # a GitHub App gives those

    def _routes(self, app: web.Application) -> None:
        app.middlewares.append(self._watch)
        app.router.add_get("/login/oauth/authorize", self._authorize)
        app.router.add_post("/login/oauth/access_token", self._token)
        app.router.add_get("/api/v3/user", self._user)
        app.router.add_get("/api/v3/user/emails", self._emails)
        app.router.add_get("/api/v3/user/memberships/orgs", self._orgs)
        app.router.add_get("/api/v3/user/memberships/orgs/{org}", self._org)
        app.router.add_get("/api/v3/user/teams", self._teams)
        app.router.add_get("/api/v3/orgs/{org}/teams/{team}/memberships/{login}", self._team)

    async def _authorize(self, request: web.Request) -> web.Response:
        # GitHub takes a request without response_type for one that asks for a code.
        return self.allow(self.account, {"response_type": "code", **request.query})

    async def _token(self, request: web.Request) -> web.Response:
        if "json" not in request.headers.get("accept", ""):
            return web.Response(text="access_token=form-encoded")
        form = await request.post()
        if form.get("grant_type") == "refresh_token":
            given: Code | str = self.refreshes.pop(str(form.get("refresh_token")), "bad_refresh_token")
        else:
            given = self.redeem(form)
        if isinstance(given, str):
            text = "canary-provider-text: the code passed is incorrect or expired."
            return web.json_response({"error": given, "error_description": text})
        token = self.fresh("gho_")
        self.tokens[token] = given
        answer = {"access_token": token, "token_type": "bearer", "scope": given.scope.replace(" ", ",")}
        if self.refresh_tokens:
            answer |= {"refresh_token": self.fresh("ghr_"), "expires_in": 28800}  # type: ignore[dict-item]
            self.refreshes[answer["refresh_token"]] = given
        return web.json_response(answer)

    def _given(self, request: web.Request) -> Code:
        given = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if given is None:
            raise web.HTTPUnauthorized(text='{"message": "Bad credentials"}', content_type="application/json")
        return given

    async def _user(self, request: web.Request) -> web.Response:
        who = self._given(request).account
        return web.json_response(
            {
                "id": who.id,
                "login": who.login,
                "name": who.name,
                "email": who.email,
                "avatar_url": f"https://avatars.example/{who.id}",
                "html_url": f"https://github.example/{who.login}",
            }
        )

    async def _emails(self, request: web.Request) -> web.Response:
        given = self._given(request)
        if "user:email" not in given.scope:
            return web.json_response({"message": "Not Found"}, status=404)
        found = [{"email": one, "primary": not n, "verified": True} for n, one in enumerate(given.account.emails)]
        return web.json_response([{"email": "unverified@example.com", "primary": False, "verified": False}, *found])

    async def _org(self, request: web.Request) -> web.Response:
        given = self._given(request)
        if "read:org" not in given.scope:
            return web.json_response({"message": "You need at least read:org scope"}, status=403)
        asked = request.match_info["org"].lower()
        state = next((how for org, how in given.account.orgs.items() if org.lower() == asked), None)
        if state is None:
            return web.json_response({"message": "Not Found"}, status=404)
        return web.json_response({"state": state, "role": "member"})

    async def _orgs(self, request: web.Request) -> web.Response:
        given, state = self._given(request), request.query.get("state")
        if "read:org" not in given.scope:
            return web.json_response({"message": "You need at least read:org scope"}, status=403)
        found = [
            {"state": how, "role": "member", "organization": {"login": org}}
            for org, how in given.account.orgs.items()
            if state in (None, how)
        ]
        return web.json_response(page_of(request, found))

    async def _teams(self, request: web.Request) -> web.Response:
        given = self._given(request)
        if "read:org" not in given.scope:
            return web.json_response({"message": "You need at least read:org scope"}, status=403)
        parts = [team.partition("/") for team in sorted(given.account.teams)]
        found = [{"slug": slug, "name": slug.title(), "organization": {"login": org}} for org, _, slug in parts]
        return web.json_response(page_of(request, found))

    async def _team(self, request: web.Request) -> web.Response:
        given, where = self._given(request), request.match_info
        if (
            f"{where['org']}/{where['team']}".lower() not in {team.lower() for team in given.account.teams}
            or where["login"] != given.account.login
        ):
            return web.json_response({"message": "Not Found"}, status=404)
        return web.json_response({"state": "active", "role": "member"})


def page_of(request: web.Request, found: list[Any]) -> list[Any]:
    """GitHub's paging: 30 a page unless more are asked for, 100 at most."""
    size, page = min(int(request.query.get("per_page", 30)), 100), int(request.query.get("page", 1))
    return found[(page - 1) * size : page * size]


# OpenID Connect


@dataclass
class OidcAccount:
    sub: str
    claims: dict[str, Any] = field(default_factory=dict)  # in the id_token
    userinfo: dict[str, Any] = field(default_factory=dict)
    disabled: bool = False


@dataclass(frozen=True)
class In:
    """So many seconds from when the token is made."""

    seconds: int


class FakeOidc(Provider):
    """Answers errors with status 400, as OAuth says. What a test changes about the id_token is in `forged`."""

    def __init__(self, callback: str, **options: Any) -> None:
        super().__init__(callback, **options)
        self.account = OidcAccount("s-1", {"email": "ann@corp.example", "email_verified": True, "name": "Ann"})
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig"})
        self.forged: dict[str, Any] = {}  # claims that replace the true ones; None removes
        self.sign_with: Any = None  # (key, algorithm) instead of the published one
        self.document: dict[str, Any] = {}  # members that replace those of the discovery document
        self.answer: dict[str, str] = {}  # more in the address it sends the browser back to
        self.id_token_on_refresh = True

    def extra_answer(self) -> dict[str, str]:
        return self.answer

    def _routes(self, app: web.Application) -> None:
        app.middlewares.append(self._watch)
        app.router.add_get("/.well-known/openid-configuration", self._discovery)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/jwks", self._jwks)
        app.router.add_get("/userinfo", self._userinfo)

    async def _discovery(self, request: web.Request) -> web.Response:
        document = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "response_types_supported": ["code"],
        }
        return web.json_response(document | self.document)

    async def _authorize(self, request: web.Request) -> web.Response:
        return self.allow(self.account, request.query)

    async def _jwks(self, request: web.Request) -> web.Response:
        encryption = {"kty": "RSA", "use": "enc", "kid": "e", "n": "AQAB", "e": "AQAB"}
        unknown = {"kty": "lattice", "kid": "u"}
        return web.json_response({"keys": [unknown, encryption, self.key.as_dict(private=False)]})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        refreshed = form.get("grant_type") == "refresh_token"
        given: Code | str = (
            self.refreshes.pop(str(form.get("refresh_token")), "invalid_grant") if refreshed else self.redeem(form)
        )
        if isinstance(given, Code) and given.account.disabled:
            given = "invalid_grant"
        if isinstance(given, str):
            return web.json_response(
                {"error": "invalid_grant", "error_description": "canary-provider-text"}, status=400
            )
        token = self.fresh("at-")
        self.tokens[token] = given
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": 300}
        if "offline_access" in given.scope:
            answer["refresh_token"] = self.fresh("rt-")
            self.refreshes[str(answer["refresh_token"])] = given
        if not refreshed or self.id_token_on_refresh:
            answer["id_token"] = self.id_token(given, nonce=not refreshed)
            self.given_out.append(answer["id_token"])
        return web.json_response(answer)

    def id_token(self, given: Code, *, nonce: bool) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT_ID, "sub": given.account.sub, "iat": now, "exp": now + 300}
        claims |= given.account.claims | ({"nonce": given.nonce} if nonce else {})
        claims |= {name: now + value.seconds if isinstance(value, In) else value for name, value in self.forged.items()}
        key, algorithm = self.sign_with or (self.key, "RS256")
        claims = {name: value for name, value in claims.items() if value is not None}
        if algorithm == "none":
            head = urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
            body = jwt.encode({"alg": "HS256"}, claims, OctKey.import_key("x" * 32)).split(".")[1]
            return f"{head}.{body}."
        if isinstance(key, bytes):  # a shared secret no library would take
            head = urlsafe_b64encode(b'{"alg":"HS256","kid":"k1"}').rstrip(b"=")
            body = urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=")
            made = urlsafe_b64encode(hmac.digest(key, head + b"." + body, sha256)).rstrip(b"=")
            return b".".join((head, body, made)).decode()
        return jwt.encode({"alg": algorithm, "kid": key.kid or "k1"}, claims, key, algorithms=[algorithm])

    async def _userinfo(self, request: web.Request) -> web.Response:
        given = self.tokens.get(request.headers.get("authorization", "").removeprefix("Bearer "))
        if given is None or given.account.disabled:
            return web.json_response({"error": "invalid_token"}, status=401)
        return web.json_response({"sub": given.account.sub, **given.account.userinfo})


# on the way


def hub_env(github: FakeGitHub | None = None, oidc: FakeOidc | None = None, **more: str) -> dict[str, str]:
    """The environment of a hub that people sign in to with these."""
    env: dict[str, str] = {}
    if github is not None:
        env |= {
            "MCPHUB_GITHUB_CLIENT_ID": CLIENT_ID,
            "MCPHUB_GITHUB_CLIENT_SECRET": CLIENT_SECRET,
            "MCPHUB_GITHUB_BASE_URL": github.url,
        }
    if oidc is not None:
        env |= {
            "MCPHUB_OIDC_ISSUER": oidc.url,
            "MCPHUB_OIDC_CLIENT_ID": CLIENT_ID,
            "MCPHUB_OIDC_CLIENT_SECRET": CLIENT_SECRET,
        }
    return env | more
