"""Signing in with an OpenID Connect provider: what is believed of it, and what is not."""

import pytest
from joserfc.jwk import ECKey, OctKey, RSAKey

from tests.support.api import ORIGIN, problem, running_api
from tests.support.providers import CLIENT_ID, CLIENT_SECRET, FakeGitHub, FakeOidc, In, OidcAccount, hub_env
from tests.support.short_form import in_short_form
from tests.support.travel import OIDC, agree, come_back, me, outcome, query_of, set_out, signed_in, travel

CALLBACK = f"{ORIGIN}/api/oauth/oidc/oidc/callback"


@pytest.fixture
def oidc():
    with FakeOidc(CALLBACK) as server:
        yield server


@pytest.fixture
async def hub(database, home, oidc):
    async with running_api(database.app_dsn, home, hub_env(oidc=oidc)) as api:
        yield api


@pytest.fixture
def a_hub(database, home, oidc):
    """Makes a hub with more in its environment."""
    return lambda **env: running_api(database.app_dsn, home, hub_env(oidc=oidc, **env))


# getting in


async def test_the_address_of_the_provider_is_all_it_takes(hub, oidc):
    browser = hub.browser()
    address = await set_out(browser, OIDC)

    answer = await come_back(browser, await agree(address))

    query = query_of(address)
    assert address.startswith(f"{oidc.url}/authorize?")
    assert (query["scope"], query["redirect_uri"]) == ("openid profile email offline_access", CALLBACK)
    assert len(query["nonce"]) == 43
    assert answer.headers["location"] == "/?welcome=true"
    data = await me(browser)
    assert (data["username"], data["displayName"], data["email"]) == ("ann", "Ann", "ann@corp.example")
    assert (data["provider"], "githubUsername" in data) == ("oidc", False)


async def test_the_same_subject_is_the_same_user_whatever_else_changed(hub, oidc):
    first = await signed_in(hub, OIDC)
    oidc.account = OidcAccount("s-1", {"email": "other@corp.example", "email_verified": True, "name": "Ann Other"})

    again = await signed_in(hub, OIDC)

    assert again.user_id == first.user_id
    assert ((await me(again))["username"], (await me(again))["email"]) == ("ann", "other@corp.example")


@pytest.mark.parametrize("subject", ["s-2", "S-1"])
async def test_another_subject_is_somebody_else_whatever_else_is_the_same(hub, oidc, subject):
    first = await signed_in(hub, OIDC)
    oidc.account = OidcAccount(subject, oidc.account.claims)

    other = await signed_in(hub, OIDC)

    assert other.user_id != first.user_id
    assert (await me(other))["username"] == "ann-2"


async def test_the_same_subject_of_another_issuer_is_somebody_else(hub, oidc, database, home):
    first = await signed_in(hub, OIDC)
    with FakeOidc(CALLBACK) as other:
        async with running_api(database.app_dsn, home, hub_env(oidc=other)) as second:
            assert (await signed_in(second, OIDC)).user_id != first.user_id


async def test_a_subject_may_stand_in_another_claim(a_hub, oidc):
    """Entra: `sub` differs by application, `oid` is the person."""
    oidc.account = OidcAccount("s-1", {"oid": "o-1", "preferred_username": "ann@corp.example"})
    async with a_hub(MCPHUB_OIDC_SUBJECT_CLAIM="oid") as hub:
        first = await signed_in(hub, OIDC)
        oidc.account = OidcAccount("s-2", {"oid": "o-1", "preferred_username": "ann@corp.example"})

        assert (await signed_in(hub, OIDC)).user_id == first.user_id
        assert (await me(first))["username"] == "ann@corp.example"

        oidc.account = OidcAccount("s-1", {"preferred_username": "ann@corp.example"}, userinfo={"oid": 7})
        assert outcome(await travel(hub.browser(), OIDC)) == "provider_error"


async def test_what_the_id_token_leaves_out_is_asked_for(hub, oidc):
    oidc.account = OidcAccount("s-1", {"name": "Ann"}, userinfo={"email": "ann@corp.example", "name": "Not Ann"})

    data = await me(await signed_in(hub, OIDC))

    assert (data["email"], data["displayName"]) == ("ann@corp.example", "Ann")


async def test_somebody_without_any_name_gets_one(hub, oidc):
    oidc.account = OidcAccount("s-1")

    assert (await me(await signed_in(hub, OIDC)))["username"] == "user"


async def test_an_address_nobody_verified_is_not_taken(hub, oidc):
    oidc.account = OidcAccount("s-1", {"email": "boss@corp.example", "email_verified": False})

    data = await me(await signed_in(hub, OIDC))

    assert data["email"] == ""


@pytest.mark.parametrize(("key", "algorithm"), [(ECKey.generate_key("P-256", {"kid": "k1"}), "ES256"), (None, "PS256")])
async def test_other_good_signatures_are_taken_as_well(hub, oidc, key, algorithm):
    oidc.key = key or oidc.key
    oidc.sign_with = (oidc.key, algorithm)

    assert outcome(await travel(hub.browser(), OIDC)) == ""


async def test_a_key_the_provider_changed_a_moment_ago_is_known(hub, oidc):
    await signed_in(hub, OIDC)
    oidc.key = RSAKey.generate_key(2048, {"kid": "k2", "use": "sig"})
    oidc.sign_with = (oidc.key, "RS256")

    assert outcome(await travel(hub.browser(), OIDC)) == ""


async def test_the_document_is_read_once_an_hour(hub, oidc):
    for _ in range(3):
        await signed_in(hub, OIDC)

    assert oidc.asked.count("/.well-known/openid-configuration") == 1


async def test_a_provider_has_its_own_name_in_the_paths(a_hub, oidc):
    oidc.callback = f"{ORIGIN}/api/oauth/oidc/corp/callback"
    async with a_hub(MCPHUB_OIDC_NAME="corp") as hub:
        assert outcome(await travel(hub.browser(), "/api/oauth/oidc/corp")) == ""
        assert problem(await hub.browser().get(OIDC)) == (404, "provider_disabled")
        assert (await hub.browser().get("/login/config")).json()["data"]["providers"] == ["corp"]


async def test_a_provider_that_takes_the_secret_in_a_header_only_gets_it_there(hub, oidc, monkeypatch):
    """Discovery says which; the fake, which looks into the body, then refuses."""
    oidc.document = {"token_endpoint_auth_methods_supported": ["client_secret_basic"]}
    seen = []
    redeem = FakeOidc.redeem
    monkeypatch.setattr(FakeOidc, "redeem", lambda self, form: seen.append(dict(form)) or redeem(self, form))

    assert outcome(await travel(hub.browser(), OIDC)) == "provider_error"

    assert [CLIENT_SECRET in form.values() for form in seen] == [False]


# what is not believed


@pytest.mark.parametrize(
    "forged",
    in_short_form(
        [
            {"nonce": "another"},
            {"nonce": None},
            {"iss": "https://evil.example"},
            {"iss": None},
            {"aud": "another-client"},
            {"aud": None},
            {"aud": [CLIENT_ID, "another-client"]},
            {"aud": [CLIENT_ID, "another-client"], "azp": "another-client"},
            {"azp": "another-client"},
            {"exp": In(-90)},
            {"exp": None},
            {"exp": "tomorrow"},
            {"iat": In(600)},
            {"nbf": In(600)},
            {"sub": None},
            {"sub": ""},
            {"sub": 7},
        ],
        5,
    ),
    ids=str,
)
async def test_an_id_token_made_for_something_else_opens_nothing(hub, oidc, forged):
    oidc.forged = forged

    assert outcome(await travel(browser := hub.browser(), OIDC)) == "provider_error"

    assert "mcphub_session" not in browser.client.cookies
    assert hub.services.model.users == {}


@pytest.mark.parametrize("forged", [{"exp": In(-30)}, {"aud": [CLIENT_ID]}, {"azp": CLIENT_ID}], ids=str)
async def test_clocks_may_differ_by_a_minute_and_lists_of_one_are_fine(hub, oidc, forged):
    oidc.forged = forged

    assert outcome(await travel(hub.browser(), OIDC)) == ""


@pytest.mark.parametrize(
    "sign_with",
    [
        (RSAKey.generate_key(2048, {"kid": "k1"}), "RS256"),
        (OctKey.import_key(CLIENT_SECRET), "HS256"),
        (None, "none"),
    ],
    ids=["another key", "the client's secret", "none"],
)
async def test_a_signature_of_somebody_else_opens_nothing(hub, oidc, sign_with):
    oidc.sign_with = sign_with

    assert outcome(await travel(hub.browser(), OIDC)) == "provider_error"


async def test_the_published_key_taken_for_a_shared_secret_opens_nothing(hub, oidc):
    """The old trick with HS256 and a public key."""
    oidc.sign_with = (oidc.key.as_pem(private=False), "HS256")

    assert outcome(await travel(hub.browser(), OIDC)) == "provider_error"


async def test_userinfo_of_somebody_else_is_refused(hub, oidc):
    oidc.account = OidcAccount("s-1", {}, userinfo={"sub": "s-2", "email": "boss@corp.example"})

    assert outcome(await travel(hub.browser(), OIDC)) == "provider_error"


async def test_an_answer_that_names_another_issuer_is_refused_before_the_code_is_sent(hub, oidc):
    """Mix-up: the browser comes back from one provider with a code for another. RFC 9207."""
    oidc.answer = {"iss": "https://evil.example"}
    assert outcome(await travel(hub.browser(), OIDC)) == "provider_error"
    assert "/token" not in oidc.asked

    oidc.answer = {"iss": oidc.url}
    assert outcome(await travel(hub.browser(), OIDC)) == ""


async def test_a_provider_that_always_names_itself_must(a_hub, oidc):
    oidc.document = {"authorization_response_iss_parameter_supported": True}
    async with a_hub() as hub:
        assert outcome(await travel(hub.browser(), OIDC)) == "provider_error"
        assert "/token" not in oidc.asked


async def test_a_state_of_one_provider_is_no_good_at_anothers_door(database, home, oidc):
    with FakeGitHub(f"{ORIGIN}/api/oauth/callback") as github:
        async with running_api(database.app_dsn, home, hub_env(github, oidc)) as hub:
            browser = hub.browser()
            at_oidc = query_of(await agree(await set_out(browser, OIDC)))

            answer = await browser.get("/api/oauth/callback", params=at_oidc)

            assert outcome(answer) == "state_invalid"
            assert "/login/oauth/access_token" not in github.asked


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"authorization_endpoint": "http://evil.example/authorize"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": None},
        {"jwks_uri": 7},
    ],
    ids=str,
)
async def test_a_document_that_leads_astray_is_refused_before_a_browser_is_sent(hub, oidc, document):
    oidc.document = document

    assert outcome(await hub.browser().get(OIDC)) == "provider_error"


@pytest.mark.parametrize(
    "document",
    [
        {"token_endpoint": "http://evil.example/token"},
        {"token_endpoint": "https://10.0.0.1/token"},
        {"token_endpoint": "https://169.254.169.254/token"},
        {"jwks_uri": "https://[::ffff:10.0.0.1]/jwks"},
    ],
    ids=str,
)
async def test_a_document_cannot_send_the_hub_into_the_network(hub, oidc, document):
    oidc.document = document

    assert outcome(await travel(hub.browser(), OIDC)) == "provider_error"


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks", "/token"])
async def test_a_provider_that_fails_is_an_error_page(hub, oidc, path, capsys):
    oidc.broken[path] = 503

    browser = hub.browser()
    out = await browser.get(OIDC)
    answer = out if outcome(out) else await come_back(browser, await agree(out.headers["location"]))

    assert outcome(answer) == "provider_error"
    told = capsys.readouterr()
    assert "canary" not in told.out + told.err


async def test_a_challenge_that_does_not_fit_is_an_error_page(hub, oidc):
    attacker, victim = hub.browser(), hub.browser()
    stolen = query_of(await agree(await set_out(attacker, OIDC)))["code"]
    own = query_of(await agree(await set_out(victim, OIDC)))

    answer = await victim.get("/api/oauth/oidc/oidc/callback", params=own | {"code": stolen})

    assert outcome(answer) == "provider_error"


# the allow-list


@pytest.mark.parametrize(
    ("allow", "claims", "fits"),
    [
        ("domain:corp.example", {"email": "ann@corp.example", "email_verified": True}, True),
        ("domain:CORP.example", {"email": "ann@Corp.Example", "email_verified": "true"}, True),
        ("domain:corp.example", {"email": "ann@corp.example", "email_verified": False}, False),
        ("domain:corp.example", {"email": "ann@corp.example"}, False),
        ("domain:corp.example", {"email": "ann@evilcorp.example", "email_verified": True}, False),
        ("domain:corp.example", {"email": "ann@sub.corp.example", "email_verified": True}, False),
        ("domain:corp.example", {"email": "corp.example", "email_verified": True}, True),
        ("domain:corp.example", {}, False),
        ("group:staff", {"groups": ["staff", "other"]}, True),
        ("group:staff", {"groups": "staff"}, True),
        ("group:staff", {"groups": ["Staff"]}, False),
        ("group:staff", {"groups": {"staff": 1}}, False),
        ("group:staff", {"groups": [["staff"]]}, False),
        ("group:staff", {}, False),
        ("group:staff,domain:corp.example", {"email": "ann@corp.example", "email_verified": True}, True),
    ],
)
@pytest.mark.thorough
async def test_the_allow_list_is_domains_that_were_verified_and_groups(a_hub, oidc, allow, claims, fits):
    oidc.account = OidcAccount("s-1", claims)

    async with a_hub(MCPHUB_OIDC_ALLOW=allow) as hub:
        assert outcome(await travel(hub.browser(), OIDC)) == ("" if fits else "not_a_member")


async def test_groups_may_come_from_userinfo_and_from_another_claim(a_hub, oidc):
    oidc.account = OidcAccount("s-1", {"email": "a@b.example"}, userinfo={"roles": ["staff"]})

    async with a_hub(MCPHUB_OIDC_ALLOW="group:staff", MCPHUB_OIDC_GROUPS_CLAIM="roles") as hub:
        assert outcome(await travel(hub.browser(), OIDC)) == ""


async def test_that_an_address_is_verified_counts_only_beside_the_address(a_hub, oidc):
    claims = {"email": "eve@corp.example"}
    oidc.account = OidcAccount("s-1", claims, userinfo={"email": "eve@evil.example", "email_verified": True})

    async with a_hub(MCPHUB_OIDC_ALLOW="domain:corp.example,group:staff") as hub:
        assert outcome(await travel(hub.browser(), OIDC)) == "not_a_member"


async def test_what_lasts_is_asked_for_only_with_an_allow_list(a_hub, oidc):
    async with a_hub(MCPHUB_OIDC_ALLOW="group:staff") as hub:
        query = query_of(await set_out(hub.browser(), OIDC))
        assert query["scope"] == "openid profile email offline_access"
        assert "access_type" not in query

    oidc.document = {"scopes_supported": ["openid", "email", "profile"]}
    async with a_hub(MCPHUB_OIDC_ALLOW="group:staff") as hub:
        query = query_of(await set_out(hub.browser(), OIDC))
        assert query["scope"] == "openid profile email"
        assert (query["access_type"], query["prompt"]) == ("offline", "consent")
