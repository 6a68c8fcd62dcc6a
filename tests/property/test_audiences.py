"""Whatever an audience says, well or badly: who is in it follows one plain sentence, and groups only narrow it."""

from hypothesis import given
from hypothesis import strategies as st

from mcphub.domain.access import Principal, visible_servers
from mcphub.domain.audience import MEMBERSHIPS, faults, read
from mcphub.domain.events import UserMembershipsChanged
from mcphub.domain.findings import Policy
from mcphub.domain.server_check import check_server
from tests.support.facts import NOW, added, elsewhere, grouped, modelled, of_user

ISSUER = "https://github.com"
NAMES = st.sampled_from(["ann", "bob", "acme", "acme/core", "globex", "staff"])
AUDIENCES = st.just("everyone") | st.fixed_dictionaries(
    {}, optional={member: st.lists(NAMES, max_size=3) for member in ("users", *MEMBERSHIPS)}
)
BELONGS = st.sets(st.tuples(st.sampled_from(sorted(MEMBERSHIPS.values())), NAMES))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | NAMES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["users", "teams", "groups", "organizations", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


def hub(belongs, audiences, *groups):
    said = sorted(f"ann {ISSUER} {kind} {name}" for kind, name in belongs)
    servers = [added(f"s{number}", mcphub={"audience": audience}) for number, audience in enumerate(audiences)]
    return modelled(
        *elsewhere("ann", "42"), of_user(UserMembershipsChanged, "ann", memberships=said), *servers, *groups
    )


def seen(model):
    return {server.server_id for server in visible_servers(model, Principal("ann"), NOW)}


@given(BELONGS, st.lists(AUDIENCES, max_size=5))
def test_who_is_named_or_belongs_to_what_is_named_is_in_it_and_nobody_else(belongs, audiences):
    def named(audience):
        if audience == "everyone":
            return True
        members = {(kind, name) for member, kind in MEMBERSHIPS.items() for name in audience.get(member, [])}
        return "ann" in audience.get("users", []) or not members.isdisjoint(belongs)

    wanted = {f"s{number}" for number, audience in enumerate(audiences) if named(audience)}
    assert seen(hub(belongs, audiences)) == wanted


@given(BELONGS, st.lists(AUDIENCES, min_size=1, max_size=4), st.data())
def test_groups_never_show_what_the_audience_does_not(belongs, audiences, data):
    servers = [f"s{number}" for number in range(len(audiences))]
    chosen = data.draw(st.lists(st.lists(st.sampled_from(servers), unique=True), max_size=3))

    groups = [grouped("ann", f"g{number}", *members) for number, members in enumerate(chosen)]

    assert seen(hub(belongs, audiences, *groups)) <= seen(hub(belongs, audiences))


@given(ANYTHING)
def test_what_would_be_refused_is_readable_or_nobodys_and_never_an_accident(audience):
    refused = bool(check_server("s", {"command": "node", "mcphub": {"audience": audience}}, Policy()).errors)

    assert refused == bool(list(faults(audience)))
    assert isinstance(read(audience).described(), str)
    if not read(audience).readable:
        assert refused
        assert seen(hub({("organization", "acme"), ("group", "staff")}, [audience])) == set()
