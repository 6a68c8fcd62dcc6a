from base64 import urlsafe_b64encode

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from msgspec import json

from mcphub.api.auth.tokens import BROWSER_SECONDS, RENEW_BELOW, Claims, TokenSigner

SECRET, OTHER = b"s" * 32, b"o" * 32


class Clock:
    now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def signer(clock):
    return TokenSigner(SECRET, clock)


def test_a_token_says_what_was_signed(signer):
    token, expires = signer.sign("bob", "s1", 7, BROWSER_SECONDS)

    assert expires == 1_000_000 + 15 * 60
    assert signer.read(token) == Claims("bob", "s1", 7, expires)


def encoded(claims):
    return urlsafe_b64encode(json.encode(claims)).rstrip(b"=").decode()


def forged(alg, key=SECRET, **claims):
    claims = {"sub": "eve", "sid": "s1", "ver": 1, "exp": 2_000_000, **claims}
    return jwt.encode({"alg": alg}, claims, OctKey.import_key(key), algorithms=[alg])


def test_a_token_of_another_key_says_nothing(signer):
    assert signer.read(forged("HS256")) is not None
    assert signer.read(forged("HS256", OTHER)) is None


@pytest.mark.parametrize("alg", ["HS384", "HS512"])
def test_only_our_own_algorithm_is_taken(signer, alg):
    assert signer.read(forged(alg, b"k" * 64)) is None
    assert signer.read(forged(alg)) is None


def test_an_unsigned_token_says_nothing(signer):
    body = encoded({"sub": "eve", "sid": "s1", "ver": 1, "exp": 2_000_000})

    assert signer.read(f"{encoded({'alg': 'none'})}.{body}.") is None


def test_a_changed_token_says_nothing(signer):
    token, _ = signer.sign("bob", "s1", 7, BROWSER_SECONDS)
    head, _, signature = token.split(".")
    body = encoded({"sub": "eve", "sid": "s1", "ver": 7, "exp": 2_000_000})

    assert signer.read(f"{head}.{body}.{signature}") is None
    assert signer.read(token[:-2]) is None


@pytest.mark.parametrize("claims", [{"sub": None, "exp": None}, {"ver": "x"}, {"exp": "soon"}])
def test_claims_of_another_kind_say_nothing_or_no_more_than_text(signer, claims):
    token = forged("HS256", **claims)

    assert signer.read(token) is None


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 3000, "ü.ü.ü", "mcphub_0123"])
def test_garbage_says_nothing(signer, token):
    assert signer.read(token) is None


def test_an_expired_token_is_told_apart_from_a_foreign_one(signer, clock):
    token, expires = signer.sign("bob", "s1", 7, 60)
    claims = signer.read(token)
    assert not signer.expired(claims)

    clock.now = float(expires)

    assert signer.read(token) == claims
    assert signer.expired(claims)


def test_a_browser_gets_a_fresh_token_before_the_old_one_ends(signer, clock):
    claims = signer.read(signer.sign("bob", "s1", 7, BROWSER_SECONDS)[0])
    assert not signer.ageing(claims)

    clock.now += BROWSER_SECONDS - RENEW_BELOW + 1

    assert signer.ageing(claims)


def test_a_csrf_token_fits_its_own_session_alone(signer):
    assert signer.csrf_fits("s1", signer.csrf("s1"))
    assert not signer.csrf_fits("s1", signer.csrf("s2"))
    assert not signer.csrf_fits("s1", "")
    assert not signer.csrf_fits("s1", "ü")
    assert TokenSigner(OTHER).csrf("s1") != signer.csrf("s1")
