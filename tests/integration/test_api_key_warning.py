"""The warning a key carries in its last week."""

import pytest


@pytest.mark.parametrize(("days", "warning"), [(7, "expires_soon"), (8, None)])
async def test_a_key_in_its_last_week_says_so_in_the_list(api, days, warning):
    bob = await api.user("bob")
    await bob.data("POST", "/api/oauth/keys", {"name": "ide", "expiryDays": days})

    (key,) = await bob.data("GET", "/api/oauth/keys")

    assert (key["daysUntilExpiry"], key.get("warning")) == (days, warning)


async def test_a_revoked_key_is_not_warned_about(api):
    bob = await api.user("bob")
    made = await bob.data("POST", "/api/oauth/keys", {"name": "ide", "expiryDays": 3})
    await bob.delete(f"/api/oauth/keys/{made['id']}")

    keys = await bob.data("GET", "/api/oauth/keys")

    assert all("warning" not in key for key in keys)
