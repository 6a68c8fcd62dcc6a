from uuid import UUID

import pytest

from mcphub.domain.ids import uuid7
from mcphub.gateway.request_id import readable
from mcphub.projections.requests import lookup

ID = UUID("0197a0aa-1234-7abc-8def-0123456789ab")
USER = "0197a0aa-0000-7000-8000-000000000001"
SESSION = "0197a0aa-0000-7000-8000-000000000002"


def test_the_readable_id_follows_the_seeds_pattern():
    assert readable(ID, USER, SESSION, "tools/call") == (
        f"user-{USER}-{SESSION}-tools/call-{0x0197A0AA1234}-0123456789ab"
    )


def test_nobody_and_no_session_are_called_none():
    assert readable(ID, "", "", "ping").startswith("user-none-none-ping-")


@pytest.mark.parametrize("method", ["a\r\nSet-Cookie: x", "héllo", "\ud800", "x" * 5000, 'a"b', ""])
def test_a_method_a_client_made_up_is_safe_in_a_header(method):
    made = readable(ID, USER, SESSION, method)

    assert made.isascii()
    assert made.isprintable()
    assert " " not in made
    assert len(made) < 200


@pytest.mark.parametrize("method", ["tools/call", "", "notifications/x-1752-0123456789ab", "héllo"])
def test_either_form_leads_to_the_row(method):
    made = uuid7()
    low, high, ending = lookup(readable(made, USER, SESSION, method))

    assert low <= made <= high
    assert high.int - low.int == (1 << 80) - 1
    assert made.hex.endswith(ending)
    assert lookup(str(made)) == (made, made, made.hex[-12:])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0197a0aa",
        "9d2f4c1e-1234-4abc-8def-0123456789ab",  # a random UUID is no request's
        "user-bob-none-ping-1750000000000",
        "user-bob-none-ping-1750000000000-0123456789AB",
        "user-bob-none-ping-999999999999999-0123456789ab",  # later than 48 bits can say
        "user-bob-none-ping-1750000000000-0123456789ab; drop table traffic",
    ],
)
def test_anything_else_is_no_id(text):
    assert lookup(text) is None
