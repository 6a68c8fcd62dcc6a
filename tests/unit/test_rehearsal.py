"""Calls that were made, decided again with a change: which would have been refused, and which are anyway."""

from datetime import timedelta

from eventsourcing.dcb.domain import Tagged
from msgspec import Raw

from mcphub.domain.access import ALL, View
from mcphub.domain.events import (
    SERVERS,
    GroupDeactivated,
    KeyRevoked,
    ServerAudienceChanged,
    ServerDisabled,
    SystemConfigChanged,
    ToolDisabled,
    ToolDiscovered,
    ToolRenamed,
    UserDeactivated,
    server_tag,
)
from mcphub.domain.impact import with_facts
from mcphub.domain.rehearsal import Made, read_view, rehearse
from tests.support.facts import NOW, added, grouped, issued, member, modelled, of_group, of_key, of_user


def of_server(fact, server, **more):
    return (fact(server_id=server, **more), [server_tag(server), SERVERS])


def found(server, tool):
    return (ToolDiscovered(server_id=server, tool=tool, hash="h", seen=NOW), [server_tag(server)])


HUB = (*member("ann"), *member("bob"), added("jira"), found("jira", "search"), added("wiki"), issued("bob", "k1"))


def made(user="bob", server="jira", tool="search", *, calls=1, key="", view="all", method="tools/call"):
    return Made(
        user_id=user,
        key_id=key,
        server=server,
        tool=tool,
        method=method,
        view=view,
        calls=calls,
        last=NOW - timedelta(hours=1),
    )


def outcome(*calls, change, given=HUB):
    """({(user, server, tool): reason} of what would be refused, how many are anyway)"""
    model = modelled(*given)
    after = with_facts(model, [Tagged(tags=list(tags), decision=event) for event, tags in change], NOW)
    seen = rehearse(model, after, calls, NOW)
    assert seen.calls == sum(one.calls for one in calls)
    return {(one.made.user_id, one.made.server, one.made.tool): one.reason for one in seen.refused}, seen.already


def test_only_what_the_change_takes_away_would_be_refused():
    calls = (made(), made("ann"), made(tool="create"), made(server="wiki", tool="read"))

    assert outcome(*calls, change=[of_server(ToolDisabled, "jira", tool="search")]) == (
        {("bob", "jira", "search"): "switched_off", ("ann", "jira", "search"): "switched_off"},
        0,
    )
    assert outcome(*calls, change=[]) == ({}, 0)


def test_each_reason_is_the_decisions():
    audience = [of_server(ServerAudienceChanged, "wiki", audience=Raw(b'{"users":[]}'))]
    assert outcome(made(server="wiki"), change=audience)[0] == {("bob", "wiki", "search"): "not_in_audience"}
    assert outcome(made(), change=[of_user(UserDeactivated, "bob")])[0] == {("bob", "jira", "search"): "user_inactive"}
    groups = (*HUB, grouped("bob", "g1", "jira"))
    assert outcome(made(), change=[of_group(GroupDeactivated, "bob", "g1")], given=groups)[0] == {
        ("bob", "jira", "search"): "no_active_group"
    }


def test_what_is_refused_as_things_are_is_counted_apart():
    given = (*HUB, of_server(ServerDisabled, "wiki"))

    assert outcome(
        made(calls=3),
        made(server="wiki", calls=5),
        made(server="gone", calls=7),
        change=[of_user(UserDeactivated, "bob")],
        given=given,
    ) == ({("bob", "jira", "search"): "user_inactive"}, 12)


def test_a_key_that_has_ended_since_stands_for_its_owner():
    given = (*HUB, of_key(KeyRevoked, "bob", "k1"))

    assert outcome(made(key="k1"), made(key="unknown"), change=[], given=given) == ({}, 0)
    assert outcome(made(key="k1"), change=[of_key(KeyRevoked, "bob", "k1")])[0] == {
        ("bob", "jira", "search"): "key_unusable"
    }


def test_a_tool_with_another_name_is_not_found_by_the_old_one():
    renamed = [of_server(ToolRenamed, "jira", tool="search", name="look")]

    assert outcome(made(), change=renamed)[0] == {("bob", "jira", "search"): "renamed"}
    assert outcome(made(view="server:jira"), change=renamed)[0] == {("bob", "jira", "search"): "renamed"}


def test_an_address_that_is_closed_has_nothing():
    closed = [(SystemConfigChanged(config=Raw(b'{"routing":{"enableGlobalRoute":false}}')), [SERVERS])]

    assert outcome(made(), made(tool="x", view="server:jira"), change=closed)[0] == {
        ("bob", "jira", "search"): "no_address"
    }


def test_a_view_is_read_as_it_was_written():
    for view in (ALL, View("server", "s1"), View("group", "g1")):
        assert read_view(str(view)) == view
