"""A real browser signs in at a real hub: who gets in, who does not, and what an attacker's address does to it.

Everything here happens in a company's network, where the hub finds the providers by the company's proxy and believes
the company's certificates, while the browser goes there by itself; and, as a soak, with providers that the hub reaches
directly, as it does in the tests of the API and of the sign-in page.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import RSAKey
from playwright.sync_api import Browser

from tests.support.browser import Visitor, chromium
from tests.support.company import PROXY_PASSWORD, Company, Way, company
from tests.support.providers import CLIENT_SECRET, FakeOidc, In
from tests.support.running import RunningHub

pytestmark = pytest.mark.slow

SESSION, FLOW = "mcphub_session", "mcphub_flow"
ONE_TIME = ("code", "state", "nonce", "code_challenge")  # what stands in addresses on the way


@pytest.fixture(scope="module", params=[pytest.param("directly", marks=pytest.mark.soak), "by the company's proxy"])
def where(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    behind_proxy = request.param != "directly"
    with company(tmp_path_factory.mktemp("company"), behind_proxy=behind_proxy) as made:
        yield made


@pytest.fixture(scope="module")
def browser(where: Company) -> Iterator[Browser]:
    with chromium(where.names) as made:
        yield made


@pytest.fixture(scope="module")
def hubs(
    where: Company, make_home: Callable[[], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, RunningHub]]:
    """A hub that lets members in at once, and one where they wait for an administrator; both say all they can say."""
    logs = tmp_path_factory.mktemp("logs")
    made = {
        policy: RunningHub(
            make_home(), logs, env={**where.env, "MCPHUB_NEW_USERS": policy, "MCPHUB_LOG_LEVEL": "debug"}
        )
        for policy in ("active", "pending")
    }
    try:
        for hub in made.values():
            hub.launch()
        for hub in made.values():
            hub.wait_ready()
        yield made
    finally:
        for hub in made.values():
            hub.end()


@pytest.fixture(params=["github", pytest.param("oidc", marks=pytest.mark.thorough)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def way(hubs: dict[str, RunningHub], where: Company, kind: str) -> Way:
    return Way(hubs["active"], where, kind)


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    with Visitor(browser) as made:
        yield made


@pytest.fixture
def oidc(where: Company) -> Iterator[FakeOidc]:
    """Whose tokens the test may forge."""
    yield where.oidc
    where.oidc.forged, where.oidc.sign_with = {}, None


# who gets in


def test_a_member_is_welcomed_once_and_has_a_session_that_works(way: Way, visitor: Visitor) -> None:
    name = way.somebody()

    assert visitor.go(way.start) == f"{way.hub.url}/?welcome=true"

    assert attributes(visitor) == {"httpOnly": True, "sameSite": "Lax", "path": "/", "secure": False}
    assert SESSION not in visitor.page.evaluate("document.cookie")
    assert visitor.cookie(FLOW) is None
    assert visitor.fetch("/api/user/me")["body"]["data"]["username"] == name
    assert visitor.go(way.start) == f"{way.hub.url}/"
    assert visitor.fetch("/api/user/me")["status"] == 200
    assert leaked(way, visitor) == []


@pytest.mark.thorough
def test_a_page_of_the_hub_changes_something_with_the_csrf_token_and_nothing_without(
    way: Way, visitor: Visitor
) -> None:
    way.somebody()
    visitor.go(way.start)
    json = {"Content-Type": "application/json"}
    token = visitor.page.evaluate("document.cookie.match(/mcphub_csrf=([^;]+)/)[1]")

    refused = visitor.fetch("/api/oauth/keys", method="POST", body='{"name": "ide"}', headers=json)
    proven = {**json, "X-CSRF-Token": token}
    made = visitor.fetch("/api/oauth/keys", method="POST", body='{"name": "ide"}', headers=proven)

    assert (refused["status"], refused["body"]["code"]) == (403, "csrf_failed")
    assert made["status"] == 201


@pytest.mark.thorough
def test_the_browser_comes_back_to_the_page_it_wanted(way: Way, visitor: Visitor) -> None:
    way.somebody()
    visitor.go(way.start)

    assert visitor.go(f"{way.start}?next=/servers%3Fq=jira") == f"{way.hub.url}/servers?q=jira"


@pytest.mark.thorough
def test_whoever_is_no_member_is_refused(way: Way, visitor: Visitor) -> None:
    name = way.somebody(member=False)

    assert visitor.go(way.start) == error(way, "not_a_member")

    assert nobody(visitor)
    assert name not in [user["username"] for user in way.hub.admin.rest.get("/api/admin/users")]
    assert leaked(way, visitor) == []


@pytest.mark.thorough
def test_a_new_user_waits_until_an_administrator_says_yes(
    hubs: dict[str, RunningHub], where: Company, kind: str, visitor: Visitor
) -> None:
    way = Way(hubs["pending"], where, kind)
    name = way.somebody()

    assert visitor.go(way.start) == error(way, "user_pending")

    assert nobody(visitor)
    assert leaked(way, visitor) == []
    activate(way, name, True)
    assert visitor.go(way.start) == f"{way.hub.url}/"
    assert visitor.fetch("/api/user/me")["body"]["data"]["username"] == name


@pytest.mark.thorough
def test_whoever_is_locked_out_does_not_come_in_again(way: Way, browser: Browser, visitor: Visitor) -> None:
    name = way.somebody()
    visitor.go(way.start)

    activate(way, name, False)

    still = visitor.fetch("/api/user/me")
    assert (still["status"], still["body"]["code"]) == (403, "user_inactive")
    with Visitor(browser) as anew:
        assert anew.go(way.start) == error(way, "user_inactive")
        assert nobody(anew)
        assert leaked(way, visitor, anew) == []


def test_a_hub_behind_a_proxy_asks_by_it_alone(where: Company, way: Way, visitor: Visitor) -> None:
    where.proxy.tunnels.clear()
    way.somebody()

    visitor.go(way.start)

    host = urlsplit(way.provider.url).hostname or ""
    assert set(where.proxy.tunnels) == ({f"{host}:443"} if host in where.names else set())
    assert where.proxy.refused == []


# who does not


@pytest.mark.thorough
def test_a_way_back_without_a_state_or_with_one_nobody_was_given_leads_nowhere(way: Way, visitor: Visitor) -> None:
    way.somebody()
    asked = way.redemptions()
    query = urlsplit(way.way_back()).query
    code = parse_qs(query)["code"][0]

    for forged in (f"code={code}", f"code={code}&state=", f"code={code}&state={'x' * 43}", f"{query}&state=x", ""):
        assert visitor.go(f"{way.callback}?{forged}") == error(way, "state_invalid")

    assert nobody(visitor)
    assert way.redemptions() == asked
    assert leaked(way, visitor) == []


@pytest.mark.thorough
def test_a_link_of_an_attacker_signs_nobody_in_as_the_attacker(way: Way, visitor: Visitor) -> None:
    """Login CSRF: another site's page has a link that ends the attacker's own sign-in in the victim's browser."""
    way.somebody()
    link = way.way_back()
    set_out(visitor, way)  # the victim's browser is on a way of its own, too
    visitor.page.route("http://evil.example/", lambda route: route.fulfill(body=f'<a href="{link}">Win!</a>'))
    visitor.go("http://evil.example/")

    visitor.page.click("a")

    visitor.page.wait_for_url(error(way, "state_invalid"))
    assert nobody(visitor)
    assert leaked(way, visitor) == []


@pytest.mark.thorough
def test_a_link_of_an_attacker_does_not_replace_a_session(way: Way, visitor: Visitor) -> None:
    way.somebody()
    link = way.way_back()
    victim = way.somebody()
    visitor.go(way.start)

    assert visitor.go(link) == error(way, "state_invalid")

    assert visitor.fetch("/api/user/me")["body"]["data"]["username"] == victim


@pytest.mark.thorough
def test_a_way_back_is_gone_once_it_was_gone(way: Way, browser: Browser, visitor: Visitor) -> None:
    way.somebody()
    set_out(visitor, way)
    on_its_way = visitor.cookie(FLOW)
    visitor.go(way.start)
    back = next(answer.url for answer in visitor.answers if answer.url.startswith(f"{way.callback}?"))
    session, asked = visitor.cookie(SESSION), way.redemptions()
    assert on_its_way is not None
    visitor.context.add_cookies([{"name": FLOW, "value": on_its_way.get("value", ""), "url": way.hub.url}])

    assert visitor.go(back) == error(way, "state_invalid")

    assert visitor.cookie(SESSION) == session
    with Visitor(browser) as other:
        assert other.go(back) == error(way, "state_invalid")
        assert nobody(other)
        assert way.redemptions() == asked
        assert leaked(way, visitor, other) == []


@pytest.mark.thorough
def test_a_stolen_code_fits_no_other_way(way: Way, visitor: Visitor) -> None:
    """Everything is right but the PKCE verifier: the code was given out for another browser's challenge."""
    way.somebody()
    stolen = parse_qs(urlsplit(way.way_back()).query)["code"][0]
    state = set_out(visitor, way)

    assert visitor.go(f"{way.callback}?code={stolen}&state={state}") == error(way, "provider_error")

    assert nobody(visitor)
    assert leaked(way, visitor) == []


def test_a_stolen_code_is_worth_nothing_even_with_the_hubs_secret(way: Way) -> None:
    way.somebody()
    stolen = parse_qs(urlsplit(way.way_back()).query)["code"][0]

    answer = way.redeem(stolen, "v" * 64)

    assert "access_token" not in answer
    assert answer["error"] in {"bad_verification_code", "invalid_grant"}


@pytest.mark.parametrize(
    "forged",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"exp": In(-90)},
    ],
    ids=str,
)
@pytest.mark.thorough
def test_an_id_token_made_for_something_else_signs_nobody_in(
    hubs: dict[str, RunningHub], where: Company, oidc: FakeOidc, visitor: Visitor, forged: dict[str, Any]
) -> None:
    way = Way(hubs["active"], where, "oidc")
    name = way.somebody()
    oidc.forged = forged

    assert visitor.go(way.start) == error(way, "provider_error")

    assert nobody(visitor)
    assert name not in [user["username"] for user in way.hub.admin.rest.get("/api/admin/users")]
    assert leaked(way, visitor) == []


@pytest.mark.parametrize("signed", ["by another key", "by nobody"])
def test_an_id_token_of_somebody_elses_making_signs_nobody_in(
    hubs: dict[str, RunningHub], where: Company, oidc: FakeOidc, visitor: Visitor, signed: str
) -> None:
    way = Way(hubs["active"], where, "oidc")
    way.somebody()
    oidc.sign_with = (None, "none") if signed == "by nobody" else (RSAKey.generate_key(2048, {"kid": "k1"}), "RS256")

    assert visitor.go(way.start) == error(way, "provider_error")

    assert nobody(visitor)
    assert leaked(way, visitor) == []


@pytest.mark.thorough
def test_no_address_leads_out_of_the_hub_after_signing_in(way: Way, visitor: Visitor) -> None:
    way.somebody()

    for elsewhere in ("https://evil.example/", "//evil.example/", "/\\evil.example/", "javascript:alert(1)"):
        answer = visitor.page.goto(f"{way.start}?next={elsewhere}")

        assert answer is not None
        assert (answer.status, answer.json()["code"]) == (400, "bad_next")
        assert urlsplit(visitor.page.url).netloc == urlsplit(way.hub.url).netloc
        assert nobody(visitor)


def error(way: Way, code: str) -> str:
    return f"{way.hub.url}/auth/error?code={code}"


def attributes(visitor: Visitor) -> dict[str, Any]:
    """Of the session's cookie."""
    cookie: dict[str, Any] = dict(visitor.cookie(SESSION) or {})
    return {name: cookie.get(name) for name in ("httpOnly", "sameSite", "path", "secure")}


def nobody(visitor: Visitor) -> bool:
    """Has the browser no session, and does a script of the hub's page say so, too?"""
    answer = visitor.fetch("/api/user/me")
    return visitor.cookie(SESSION) is None and (answer["status"], answer["body"]["code"]) == (401, "not_authenticated")


def activate(way: Way, name: str, active: bool) -> None:
    admin = way.hub.admin
    (user,) = [user for user in admin.rest.get("/api/admin/users") if user["username"] == name]
    admin.rest.put(f"/api/admin/users/{user['id']}/active", {"isActive": active})


def set_out(visitor: Visitor, way: Way) -> str:
    """The browser sets out and has not arrived at the provider yet; the state it is on its way with."""
    answer = visitor.context.request.get(way.start, max_redirects=0)
    assert answer.status == 302
    return parse_qs(urlsplit(answer.headers["location"]).query)["state"][0]


def leaked(way: Way, *visitors: Visitor) -> list[str]:
    """Where a secret of the way stands that must not: an address shown, an address the hub sends a browser on to after
    the way back, a Referer, a line of the log."""
    answers = [answer for visitor in visitors for answer in visitor.answers]
    queries = [parse_qs(urlsplit(answer.url).query) for answer in answers]
    secrets = {value for query in queries for name in ONE_TIME for value in query.get(name, []) if len(value) > 20}
    secrets |= {cookie["value"] for visitor in visitors for cookie in visitor.context.cookies()}
    secrets |= {*way.provider.given_out, CLIENT_SECRET, PROXY_PASSWORD}
    places = {
        "address": [address for visitor in visitors for address in visitor.shown],
        "location": [
            answer.headers.get("location", "") for answer in answers if answer.url.startswith(f"{way.callback}?")
        ],
        "referer": [answer.request.headers.get("referer", "") for answer in answers],
        "log": [way.hub.said()],
    }
    return [place for place, texts in places.items() if any(secret in text for text in texts for secret in secrets)]
