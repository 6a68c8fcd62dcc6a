"""Who would gain and lose what, found by the decision itself."""

from eventsourcing.dcb.domain import Tagged
from msgspec import Raw

from mcphub.domain.events import (
    SERVERS,
    GroupDeactivated,
    KeyRenamed,
    Scope,
    ServerAudienceChanged,
    ServerDisabled,
    ServerRenamed,
    ToolDisabled,
    ToolDiscovered,
    UserDeactivated,
    UserPreferencesChanged,
    server_tag,
)
from mcphub.domain.impact import UserImpact, impact, with_facts
from tests.support.facts import NOW, added, grouped, issued, member, modelled, of_group, of_key, of_user


def tools(server, *names):
    return [(ToolDiscovered(server_id=server, tool=name, hash="h", seen=NOW), [server_tag(server)]) for name in names]


def of_server(fact, server, **more):
    return (fact(server_id=server, **more), [server_tag(server), SERVERS])


HUB = (
    *member("ann"),
    *member("bob"),
    added("jira"),
    *tools("jira", "search", "create"),
    added("wiki"),
    *tools("wiki", "read"),
)


def meant(*facts, given=HUB):
    """(user, servers gained, servers lost, tools gained, tools lost) of everybody for whom something differs."""
    model = modelled(*given)
    known = model.position, dict(model.users), dict(model.servers)
    after = with_facts(model, [Tagged(tags=tags, decision=event) for event, tags in facts], NOW)
    found = impact(model, after, NOW)
    assert (model.position, model.users, model.servers) == known
    return [tuple(getattr(one, name) for name in UserImpact.__struct_fields__) for one in found]


def test_a_server_that_is_switched_off_is_lost_to_whoever_sees_it():
    given = (*HUB, grouped("bob", "g1", "wiki"))

    assert meant(of_server(ServerDisabled, "jira"), given=given) == [
        ("ann", (), ("JIRA",), (), ("jira__create", "jira__search"))
    ]


def test_a_tool_that_is_switched_off_is_lost_and_its_server_is_not():
    assert meant(of_server(ToolDisabled, "wiki", tool="read")) == [
        ("ann", (), (), (), ("wiki__read",)),
        ("bob", (), (), (), ("wiki__read",)),
    ]


def test_who_leaves_an_audience_loses_and_who_stays_does_not():
    for_ann = of_server(ServerAudienceChanged, "wiki", audience=Raw(b'{"users":["ann"]}'))
    names = [(event, [*tags, "username:ann"] if "user:ann" in tags else tags) for event, tags in HUB]

    assert meant(for_ann, given=names) == [("bob", (), ("WIKI",), (), ("wiki__read",))]


def test_a_group_is_its_owners_alone():
    given = (*HUB, grouped("bob", "g1", "wiki"), grouped("bob", "g2", "jira"))

    assert meant(of_group(GroupDeactivated, "bob", "g1"), given=given) == [("bob", (), ("WIKI",), (), ("wiki__read",))]


def test_who_is_locked_out_loses_everything():
    lost = ("jira__create", "jira__search", "wiki__read")

    assert meant(of_user(UserDeactivated, "bob")) == [("bob", (), ("JIRA", "WIKI"), (), lost)]


def test_what_a_key_is_narrowed_to_counts_for_who_comes_with_it():
    given = (*HUB, issued("bob", "k1"))

    assert meant(of_key(KeyRenamed, "bob", "k1", scope=Scope(servers=["wiki"])), given=given) == [
        ("bob", (), ("JIRA",), (), ("jira__create", "jira__search"))
    ]
    assert meant(of_key(KeyRenamed, "bob", "k1", name="desk"), given=given) == []


def test_what_nobody_sees_or_uses_by_it_affects_nobody():
    assert meant(of_user(UserPreferencesChanged, "bob", theme="dark")) == []
    assert meant(of_server(ServerRenamed, "wiki", old_name="WIKI", name="Handbook")) == []
    assert meant() == []
