"""Who may use what, and why: the group truth table row by row, every reason, and what ends with which fact."""

from datetime import timedelta

import pytest

from mcphub.domain.access import (
    ALL,
    AccessModel,
    Capability,
    Decision,
    Principal,
    View,
    decide,
    explain,
    visible_servers,
)
from mcphub.domain.events import (
    ADMINS,
    SERVERS,
    AdminGranted,
    AdminRevoked,
    AuditorGranted,
    AuditorRevoked,
    GroupActivated,
    GroupChanged,
    GroupDeactivated,
    GroupDeleted,
    KeyExtended,
    KeyRenamed,
    KeyRevoked,
    KeyRotated,
    PasswordSet,
    Scope,
    ServerDisabled,
    ServerEnabled,
    ServerRef,
    ServerRenamed,
    SignedIn,
    SignedOut,
    ToolDisabled,
    ToolEnabled,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserPreferencesChanged,
    UserRestored,
    server_tag,
)
from tests.support.facts import (
    NOW,
    added,
    admin,
    cleared,
    elsewhere,
    grouped,
    issued,
    member,
    modelled,
    of_group,
    of_key,
    of_user,
    recorded,
    registered,
    removed,
    saved,
)

BOB = Principal("bob")
BY_KEY = Principal("bob", "k1")


def of_server(fact, server, **more):
    return (fact(server_id=server, **more), [server_tag(server), SERVERS])


def shown(model, principal=BOB, view=ALL, at=NOW):
    return [server.server_id for server in visible_servers(model, principal, at, view)]


def why(model, server="jira", principal=BOB, view=ALL, at=NOW, name=""):
    return decide(model, principal, Capability(server, "tools", name), at, view).reason


HUB = (*member("bob"), added("jira"), added("wiki"))


# the truth table of groups


def test_without_a_group_everything_is_shown():
    assert shown(modelled(*HUB)) == ["jira", "wiki"]


def test_with_groups_and_none_active_nothing_is_shown():
    model = modelled(*HUB, grouped("bob", "g1", "jira"), of_group(GroupDeactivated, "bob", "g1"))

    assert shown(model) == []
    assert explain(model, BOB, NOW) == {"JIRA": "no_active_group", "WIKI": "no_active_group"}


def test_active_groups_show_their_union_and_nothing_else():
    model = modelled(*HUB, added("git"), grouped("bob", "g1", "jira", "wiki"), grouped("bob", "g2", "wiki"))

    assert shown(model) == ["jira", "wiki"]
    assert why(model, "git") == "not_in_active_group"


def test_an_inactive_group_adds_nothing_to_an_active_one():
    model = modelled(
        *HUB, grouped("bob", "g1", "jira"), grouped("bob", "g2", "wiki"), of_group(GroupDeactivated, "bob", "g2")
    )

    assert shown(model) == ["jira"]


def test_a_preview_takes_other_groups_for_the_active_ones_and_changes_nothing():
    model = modelled(
        *HUB, grouped("bob", "g1", "jira"), grouped("bob", "g2", "wiki"), of_group(GroupDeactivated, "bob", "g2")
    )

    seen = [model.reasons(BOB, ALL, NOW, as_if) for as_if in ({"g2"}, {"g1", "g2"}, set(), {"somebody-elses"})]

    assert [[server for server, reason in reasons.items() if reason == "allowed"] for reasons in seen] == [
        ["wiki"],
        ["jira", "wiki"],
        [],
        [],
    ]
    assert shown(model) == ["jira"]


def test_an_active_group_without_servers_shows_nothing():
    assert shown(modelled(*HUB, grouped("bob", "g1"))) == []


def test_a_group_of_removed_and_disabled_servers_shows_nothing():
    model = modelled(*HUB, grouped("bob", "g1", "jira", "wiki"), removed("jira"), of_server(ServerDisabled, "wiki"))

    assert shown(model) == []


def test_the_last_group_deleted_shows_everything_again():
    model = modelled(*HUB, grouped("bob", "g1"), of_group(GroupDeleted, "bob", "g1"))

    assert shown(model) == ["jira", "wiki"]


def test_a_group_switched_on_again_counts_again():
    model = modelled(
        *HUB,
        grouped("bob", "g1", "jira"),
        of_group(GroupDeactivated, "bob", "g1"),
        of_group(GroupActivated, "bob", "g1"),
    )

    assert shown(model) == ["jira"]


def test_a_changed_group_shows_its_new_servers():
    model = modelled(
        *HUB,
        grouped("bob", "g1", "jira"),
        of_group(GroupChanged, "bob", "g1", servers=[ServerRef("wiki", "WIKI")]),
    )

    assert shown(model) == ["wiki"]


def test_another_users_groups_narrow_nothing():
    assert shown(modelled(*HUB, *member("ann"), grouped("ann", "g1"))) == ["jira", "wiki"]


def test_a_renamed_server_stays_in_its_groups():
    renamed = of_server(ServerRenamed, "jira", old_name="JIRA", name="Tracker")
    model = modelled(*HUB, grouped("bob", "g1", "jira"), renamed)

    assert shown(model) == ["jira"]
    assert model.named_by(model.groups_of["bob"]["g1"]) == [ServerRef("jira", "Tracker")]


def test_a_server_that_took_a_groups_name_stays_in_it_when_it_is_renamed():
    """The group showed it by its name alone, and lost it with the name."""
    taken = (*HUB, grouped("bob", "g1", "jira"), removed("jira"), added("jira2", name="JIRA"))
    model = modelled(*taken, of_server(ServerRenamed, "jira2", old_name="JIRA", name="Tracker"))

    assert shown(model) == ["jira2"]
    assert model.named_by(model.groups_of["bob"]["g1"]) == [ServerRef("jira2", "Tracker")]


def test_a_removed_servers_name_counts_again_when_another_server_takes_it():
    group = (*HUB, grouped("bob", "g1", "jira"), removed("jira"))
    assert shown(modelled(*group)) == []

    assert shown(modelled(*group, added("jira2", name="JIRA"))) == ["jira2"]
    assert shown(modelled(*group, added("jira2", name="Another"))) == []


# every reason


def test_what_nothing_hides_is_allowed():
    assert decide(modelled(*HUB), BOB, Capability("jira", "tools", "search"), NOW) == Decision(True, "allowed")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ((added("jira"),), "unknown_user"),
        ((*HUB, of_user(UserErased, "bob")), "unknown_user"),
        ((registered("bob"), added("jira")), "user_inactive"),
        ((*HUB, of_user(UserDeactivated, "bob")), "user_inactive"),
        ((*HUB, of_user(UserDeleted, "bob")), "user_inactive"),
        ((*HUB, of_user(UserDeleted, "bob"), of_user(UserRestored, "bob")), "user_inactive"),
        ((*HUB, of_user(UserDeactivated, "bob"), of_user(UserActivated, "bob")), "allowed"),
        ((*member("bob"), added("wiki")), "unknown_server"),
        ((*HUB, removed("jira")), "unknown_server"),
        ((*HUB, of_server(ServerDisabled, "jira")), "server_disabled"),
        ((*member("bob"), added("jira", enabled=False)), "server_disabled"),
        ((*HUB, of_server(ServerDisabled, "jira"), of_server(ServerEnabled, "jira")), "allowed"),
        ((*member("bob"), added("jira", visibility="private", owner="ann")), "not_in_audience"),
        ((*HUB, grouped("bob", "g1", "wiki")), "not_in_active_group"),
        ((*HUB, of_server(ToolDisabled, "jira", tool="search")), "switched_off"),
        ((*HUB, of_server(ToolDisabled, "jira", tool="search", kind="prompts")), "allowed"),
        (
            (*HUB, of_server(ToolDisabled, "jira", tool="search"), of_server(ToolEnabled, "jira", tool="search")),
            "allowed",
        ),
    ],
)
def test_the_answer_says_why(facts, reason):
    assert why(modelled(*facts), name="search") == reason


@pytest.mark.parametrize(
    "facts",
    [
        (),
        (issued("bob", "k1", days=1), of_key(KeyRevoked, "bob", "k1")),
        (issued("ann", "k1"),),
        (issued("bob", "k1", days=-1),),
        (issued("bob", "k1"), of_key(KeyRotated, "bob", "k1", successor="k2", grace_until=NOW)),
    ],
    ids=["unknown", "revoked", "another user's", "expired", "after its grace"],
)
def test_an_unusable_key_opens_nothing(facts):
    model = modelled(*HUB, *member("ann"), *facts)

    assert why(model, principal=BY_KEY) == "key_unusable"
    assert not model.alive(BY_KEY, NOW)
    assert shown(model, BY_KEY) == []


def test_a_switched_off_tool_leaves_its_server_shown():
    model = modelled(*HUB, of_server(ToolDisabled, "jira", tool="search"))

    assert shown(model) == ["jira", "wiki"]
    assert why(model, name="create") == "allowed"


def test_the_explanation_names_every_server_once():
    model = modelled(*HUB, added("git", enabled=False), grouped("bob", "g1", "wiki"))

    assert explain(model, BOB, NOW) == {
        "JIRA": "not_in_active_group",
        "WIKI": "allowed",
        "GIT": "server_disabled",
    }


# audiences


@pytest.mark.parametrize(
    ("config", "allowed"),
    [
        ({}, True),
        ({"visibility": "public", "owner": "ann"}, True),
        ({"visibility": "private", "owner": "bob"}, True),
        ({"visibility": "private", "owner": "ann"}, False),
        ({"visibility": "private"}, False),
        ({"visibility": "group", "owner": "bob"}, True),
        ({"visibility": "unheard-of"}, False),
        ({"mcphub": {"audience": "everyone"}}, True),
        ({"mcphub": {"audience": {"users": ["ann", "bob"]}}}, True),
        ({"mcphub": {"audience": {"users": ["ann"]}}}, False),
        ({"mcphub": {"audience": {"users": []}}}, False),
        ({"mcphub": {"audience": "admins"}}, False),
        ({"mcphub": {"audience": {"users": [None, 7]}}}, False),
    ],
)
def test_an_audience_the_hub_cannot_check_lets_nobody_in(config, allowed):
    model = modelled(*member("bob"), *admin("ann"), added("jira", **config))

    assert why(model) == ("allowed" if allowed else "not_in_audience")


def test_names_are_compared_by_their_digests():
    model = AccessModel(str.casefold)
    for fact in recorded(*member("bob"), added("jira", visibility="private", owner="BOB")):
        model.apply(fact)

    assert why(model) == "allowed"


# keys: scope and clock


@pytest.mark.parametrize(
    ("scope", "servers"),
    [
        (None, ["jira", "wiki"]),
        (Scope(), ["jira", "wiki"]),
        (Scope(servers=["jira"]), ["jira"]),
        (Scope(servers=["jira", "gone"]), ["jira"]),
        (Scope(servers=[]), []),
        (Scope(groups=[]), []),
        (Scope(groups=["g1"]), ["wiki"]),
        (Scope(groups=["g1", "anns"]), ["wiki"]),
        (Scope(servers=["jira"], groups=["g1"]), []),
        (Scope(servers=["jira", "wiki"], groups=["g1"]), ["wiki"]),
    ],
)
def test_a_scope_only_narrows(scope, servers):
    """Also by a group of the user's own that is switched off; never by somebody else's."""
    model = modelled(
        *HUB,
        *member("ann"),
        grouped("bob", "all", "jira", "wiki"),
        grouped("bob", "g1", "wiki"),
        of_group(GroupDeactivated, "bob", "g1"),
        grouped("ann", "anns", "jira"),
        issued("bob", "k1", scope=scope),
    )

    assert shown(model, BY_KEY) == servers
    if "jira" not in servers:
        assert why(model, principal=BY_KEY) == "outside_key_scope"


def test_a_changed_scope_counts_at_once():
    model = modelled(*HUB, issued("bob", "k1"), of_key(KeyRenamed, "bob", "k1", scope=Scope(servers=["wiki"])))

    assert shown(model, BY_KEY) == ["wiki"]


def test_a_key_expires_without_an_event():
    model = modelled(*HUB, issued("bob", "k1", days=1))
    end = NOW + timedelta(days=1)

    assert model.authenticate("digest-k1", end - timedelta(microseconds=1)) == BY_KEY
    assert model.authenticate("digest-k1", end) is None
    assert why(model, principal=BY_KEY, at=end) == "key_unusable"


def test_an_extended_key_works_again():
    extended = of_key(KeyExtended, "bob", "k1", expires_at=NOW + timedelta(days=9))
    model = modelled(*HUB, issued("bob", "k1", days=1), extended)

    assert model.authenticate("digest-k1", NOW + timedelta(days=8)) == BY_KEY


def test_a_rotated_key_works_within_its_grace():
    grace = NOW + timedelta(minutes=5)
    model = modelled(*HUB, issued("bob", "k1"), of_key(KeyRotated, "bob", "k1", successor="k2", grace_until=grace))

    assert model.authenticate("digest-k1", grace - timedelta(seconds=1)) == BY_KEY
    assert model.authenticate("digest-k1", grace) is None


@pytest.mark.parametrize(
    "facts",
    [
        (of_key(KeyRevoked, "bob", "k1"),),
        (of_user(UserDeactivated, "bob"),),
        (of_user(UserDeleted, "bob"),),
        (of_user(UserErased, "bob"),),
    ],
)
def test_a_key_that_may_not_be_used_authenticates_nobody(facts):
    model = modelled(*HUB, issued("bob", "k1"), *facts)

    assert model.authenticate("digest-k1", NOW) is None
    assert model.authenticate("never issued", NOW) is None


# views


def test_a_view_only_narrows():
    model = modelled(*HUB, grouped("bob", "g1", "jira"), grouped("bob", "g2", "wiki"))

    assert shown(model, view=View("server", "jira")) == ["jira"]
    assert shown(model, view=View("group", "g2")) == ["wiki"]
    assert why(model, view=View("group", "g2")) == "outside_view"
    assert shown(model, view=View("server", "gone")) == []


def test_the_view_of_a_server_shows_nothing_the_groups_hide():
    model = modelled(*HUB, grouped("bob", "g1", "jira"))

    assert shown(model, view=View("server", "wiki")) == []


@pytest.mark.parametrize("group", ["off", "anns", "gone"])
def test_the_view_of_a_group_that_is_off_or_not_ones_own_shows_nothing(group):
    model = modelled(
        *HUB,
        *member("ann"),
        grouped("bob", "on", "jira"),
        grouped("bob", "off", "jira"),
        of_group(GroupDeactivated, "bob", "off"),
        grouped("ann", "anns", "jira"),
    )

    assert shown(model, view=View("group", group)) == []


# what a user leaves behind


def test_roles_follow_the_facts():
    roster = of_user(AdminRevoked, "ann")[0], [*of_user(AdminRevoked, "ann")[1], ADMINS]
    assert modelled(*admin("ann")).users["ann"].admin
    assert not modelled(*admin("ann"), roster).users["ann"].admin
    assert not modelled(*member("bob")).users["bob"].admin
    assert modelled(of_user(AdminGranted, "bob")).users["bob"].admin


@pytest.mark.parametrize(
    ("fact", "living"),
    [
        (of_user(SignedOut, "bob", session_id="s1"), ["s2"]),
        (of_user(SignedOut, "bob"), []),
        (of_user(PasswordSet, "bob", sealed="hash"), []),
        (of_user(UserDeactivated, "bob"), []),
        (of_user(UserDeleted, "bob"), []),
        (of_user(UserErased, "bob"), []),
        (of_user(SignedOut, "ann"), ["s1", "s2"]),
    ],
)
def test_sessions_end_with_these_facts(fact, living):
    model = modelled(
        *member("bob"),
        *member("ann"),
        of_user(SignedIn, "bob", session_id="s1"),
        of_user(SignedIn, "bob", session_id="s2"),
        fact,
    )

    assert list(model.users["bob"].sessions) == living
    assert model.users["bob"].auth_version == (7 if living == [] else 0)


def test_an_erased_user_leaves_an_id_and_frees_the_name():
    model = modelled(
        *HUB,
        issued("bob", "k1"),
        grouped("bob", "g1", "jira"),
        saved("bob", "jira", "TOKEN"),
        of_user(UserErased, "bob"),
    )

    assert model.users["bob"].erased
    assert (model.keys, model.key_by_digest, model.groups_of, model.credentials) == ({}, {}, {}, {})
    assert model.user_by_name == {}


def test_an_erasure_does_not_take_the_name_from_its_next_owner():
    model = modelled(*member("bob"))
    again = recorded((registered("bob2")[0], ["user:bob2", "username:bob"]), of_user(UserErased, "bob"), since=3)
    for fact in again:
        model.apply(fact)

    assert model.user_by_name == {"bob": "bob2"}


def test_who_signs_in_elsewhere_is_found_by_the_identity_until_erased():
    model = modelled(*elsewhere("bob", "42"), *member("ann"))
    assert (model.user_by_identity, model.users["bob"].issuer) == ({"42": "bob"}, "https://github.com")

    model.apply(recorded(of_user(UserErased, "bob"), since=5)[0])

    assert model.user_by_identity == {}


def test_an_auditor_is_no_administrator():
    model = modelled(*admin("ann"), *member("bob"), of_user(AuditorGranted, "bob"))
    assert (model.users["bob"].auditor, model.users["bob"].admin, model.users["ann"].auditor) == (True, False, False)

    model.apply(recorded(of_user(AuditorRevoked, "bob"), since=7)[0])

    assert model.users["bob"].auditor is False


def test_preferences_the_gateway_asks_for_are_kept():
    model = modelled(
        *member("bob"),
        of_user(UserPreferencesChanged, "bob", exposure_mode="search", language="ko", theme="dark"),
        of_user(UserPreferencesChanged, "bob", show_why=True),
    )
    user = model.users["bob"]

    assert (user.exposure_mode, user.language, user.show_why) == ("search", "ko", True)


# stored values


def test_a_credential_version_names_the_values_without_holding_any():
    first = (*HUB, saved("bob", "jira", "B"), saved("bob", "jira", "A"))
    assert modelled(*first).credential_version("bob", "jira") == "A@6,B@5"

    assert modelled(*first, saved("bob", "jira", "A", "again")).credential_version("bob", "jira") == "A@7,B@5"
    assert modelled(*first, cleared("bob", "jira", "A")).credential_version("bob", "jira") == "B@5"
    assert modelled(*first).credential_version("ann", "jira") == ""


def test_a_removed_servers_values_stay_orphans():
    model = modelled(*HUB, saved("bob", "jira", "TOKEN"), removed("jira"), added("jira2", name="JIRA"))

    assert list(model.credentials_of("bob", "jira")) == ["TOKEN"]
    assert model.credentials_of("bob", "jira2") == {}


# the fold


def test_a_fact_folded_already_is_passed_over():
    facts = recorded(*HUB, of_user(SignedIn, "bob", session_id="s1"))
    model = AccessModel()
    for fact in [*facts, *facts]:
        model.apply(fact)

    assert model.position == 5
    assert list(model.servers) == ["jira", "wiki"]


def test_a_decision_remembered_for_speed_ends_with_the_next_fact():
    model = modelled(*HUB)
    assert shown(model) == ["jira", "wiki"]

    model.apply(recorded(grouped("bob", "g1", "wiki"), since=5)[0])

    assert shown(model) == ["wiki"]


def test_a_fact_about_another_user_takes_nothing_of_what_is_remembered():
    model = modelled(*HUB, *member("ann"))
    before = model.reasons(BOB, ALL, NOW)

    model.apply(recorded(grouped("ann", "g1", "wiki"), since=7)[0])

    assert model.reasons(BOB, ALL, NOW) is before
    assert shown(model, Principal("ann")) == ["wiki"]


def test_a_fact_about_a_server_counts_for_everybody_at_once():
    model = modelled(*HUB, *member("ann"))
    assert shown(model) == shown(model, Principal("ann")) == ["jira", "wiki"]

    model.apply(recorded(of_server(ServerDisabled, "wiki"), since=7)[0])

    assert shown(model) == shown(model, Principal("ann")) == ["jira"]


def test_no_more_users_are_remembered_than_fit(monkeypatch):
    monkeypatch.setattr("mcphub.domain.access.MOST_REMEMBERED", 2)
    model = modelled(*HUB, *member("ann"), *member("cyd"))

    seen = [shown(model, Principal(user)) for user in ("bob", "ann", "cyd", "bob")]

    assert seen == [["jira", "wiki"]] * 4
    assert len(model._visible) == 2


def test_the_clock_is_asked_although_the_decision_is_remembered():
    model = modelled(*HUB, issued("bob", "k1", days=1))
    assert shown(model, BY_KEY) == ["jira", "wiki"]

    assert shown(model, BY_KEY, at=NOW + timedelta(days=1)) == []
