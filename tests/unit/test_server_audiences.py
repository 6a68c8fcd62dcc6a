"""Whom a server is for: what may be written, what of it lets whom in, and what is recorded of a change."""

import json

import pytest
from msgspec import Raw

from mcphub.domain.access import AccessModel, Principal, decide
from mcphub.domain.access import Capability as Of
from mcphub.domain.audience import MOST_NAMES, audience_of, faults, read
from mcphub.domain.errors import UnknownServerId
from mcphub.domain.events import (
    ServerAudienceChanged,
    ServerChanged,
    ServerDisabled,
    SettingsFileImported,
    SignedIn,
    UserActivated,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserMembershipsChanged,
    UserRegistered,
    UserRestored,
)
from mcphub.domain.findings import DocumentRefused, Policy
from mcphub.domain.server_check import check_server
from mcphub.domain.servers import AddServer, ApplySettings, ChangeServer, SetServerAudience, changes_of
from mcphub.domain.sign_in import Identity, NoteMemberships, RegisterByProvider, SignInByProvider
from mcphub.domain.vault import MemoryKeyStore, Ring, Vault, new_ring_text
from tests.support.facts import NOW, added, admin, elsewhere, grouped, member, modelled, of_user, recorded, removed

GITHUB = "https://github.com"
STDIO = {"command": "node"}


def belongs(user, *memberships):
    """As the model of the tests digests them: user, issuer, kind, name."""
    return of_user(
        UserMembershipsChanged, user, memberships=sorted(f"{user} {GITHUB} {kind} {name}" for kind, name in memberships)
    )


def for_(**audience):
    return {"mcphub": {"audience": audience}}


def why(model, user="ann", server="jira"):
    return decide(model, Principal(user), Of(server), NOW).reason


# who is let in

ANN = (*elsewhere("ann", "42"), belongs("ann", ("organization", "acme"), ("team", "acme/core"), ("group", "staff")))
NOBODYS = elsewhere("ann", "42")
LOCAL = member("ann")


@pytest.mark.parametrize(
    ("user", "audience", "allowed"),
    [
        (NOBODYS, "everyone", True),
        (ANN, {}, False),
        (ANN, {"users": [], "organizations": [], "teams": [], "groups": []}, False),
        (NOBODYS, {"users": ["ann"]}, True),
        (ANN, {"users": ["bob"]}, False),
        (ANN, {"organizations": ["acme"]}, True),
        (ANN, {"organizations": ["globex", "acme"]}, True),
        (ANN, {"organizations": ["globex"]}, False),
        (NOBODYS, {"organizations": ["acme"]}, False),
        (LOCAL, {"organizations": ["acme"]}, False),
        (ANN, {"teams": ["acme/core"]}, True),
        (ANN, {"teams": ["acme/other"]}, False),
        (ANN, {"teams": ["globex/core"]}, False),
        (ANN, {"groups": ["staff"]}, True),
        (ANN, {"groups": ["acme"]}, False),
        (ANN, {"organizations": ["staff"]}, False),
        (ANN, {"users": ["bob"], "teams": ["acme/core"]}, True),
        (ANN, {"users": ["ann"], "teams": ["globex/core"]}, True),
        (ANN, {"users": ["bob"], "teams": ["globex/core"], "groups": []}, False),
        # what nobody could have saved here
        (ANN, {"users": ["ann"], "exceptions": ["bob"]}, False),
        (ANN, {"users": "ann"}, False),
        (ANN, {"users": ["ann", 7]}, False),
        (ANN, {"organizations": {"acme": True}}, False),
        (ANN, None, False),
        (ANN, "Everyone", False),
        (ANN, ["ann"], False),
    ],
)
def test_whoever_matches_any_of_the_names_is_let_in(user, audience, allowed):
    model = modelled(*user, added("jira", mcphub={"audience": audience}))

    assert why(model) == ("allowed" if allowed else "not_in_audience")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ((of_user(UserDeactivated, "ann"),), "user_inactive"),
        ((of_user(UserDeactivated, "ann"), of_user(UserActivated, "ann")), "not_in_audience"),
        ((of_user(UserDeleted, "ann"), of_user(UserRestored, "ann"), of_user(UserActivated, "ann")), "not_in_audience"),
        ((of_user(UserErased, "ann"),), "unknown_user"),
        ((belongs("ann"),), "not_in_audience"),
        ((belongs("ann", ("team", "acme/other")),), "not_in_audience"),
        ((belongs("ann", ("team", "acme/core")),), "allowed"),
    ],
    ids=["locked out", "in again", "restored", "erased", "left all", "another team", "same again"],
)
def test_who_was_locked_out_belongs_to_nothing_until_the_provider_says_so_again(facts, reason):
    model = modelled(*ANN, added("jira", **for_(teams=["acme/core"])), *facts)

    assert why(model) == reason


def test_who_waits_for_an_administrator_sees_it_once_let_in():
    known, _ = elsewhere("ann", "42")
    waiting = (known, belongs("ann", ("organization", "acme")), added("jira", **for_(organizations=["acme"])))

    assert why(modelled(*waiting)) == "user_inactive"
    assert why(modelled(*waiting, of_user(UserActivated, "ann"))) == "allowed"


def test_an_organisation_of_another_provider_is_another_one():
    of_another = of_user(UserMembershipsChanged, "ann", memberships=["ann https://git.corp organization acme"])

    assert why(modelled(*NOBODYS, of_another, added("jira", **for_(organizations=["acme"])))) == "not_in_audience"


def test_an_administrator_is_a_user_like_any_other():
    assert why(modelled(*admin("ann"), added("jira", **for_(users=["bob"])))) == "not_in_audience"


def test_a_private_server_is_its_owners_whatever_its_audience_says():
    config = {"visibility": "private", "owner": "bob", **for_(users=["ann"], organizations=["acme"])}
    model = modelled(*ANN, *member("bob"), added("jira", **config))

    assert (why(model), why(model, "bob")) == ("not_in_audience", "allowed")


def test_a_personal_group_only_narrows_it():
    hub = (*ANN, added("jira", **for_(users=["bob"])), added("wiki", **for_(organizations=["acme"])), added("git"))

    model = modelled(*hub, grouped("ann", "g1", "jira", "wiki"))

    assert {server: why(model, server=server) for server in ("jira", "wiki", "git")} == {
        "jira": "not_in_audience",
        "wiki": "allowed",
        "git": "not_in_active_group",
    }


def test_each_change_counts_for_the_next_decision():
    model, seen = AccessModel(), []
    wiki = ["server:jira", "servers"]
    for fact in recorded(
        *ANN,
        added("jira", **for_(teams=["acme/core"])),
        (ServerAudienceChanged(server_id="jira", audience=Raw(b'{"users": ["bob"]}')), wiki),
        (ServerAudienceChanged(server_id="jira", audience=Raw(b'{"groups": ["staff"]}')), wiki),
        belongs("ann"),
        (ServerAudienceChanged(server_id="jira", audience=Raw(b"null")), wiki),
        removed("jira"),
        added("jira", **for_(groups=["staff"])),
        belongs("ann", ("group", "staff")),
    ):
        model.apply(fact)
        seen.append(why(model))

    assert seen[3:] == [
        *("allowed", "not_in_audience", "allowed", "not_in_audience", "allowed"),
        *("unknown_server", "not_in_audience", "allowed"),
    ]


def test_an_erased_user_leaves_no_membership_behind():
    model = modelled(*ANN, added("jira", **for_(teams=["acme/core"])))
    assert why(model) == "allowed"

    for fact in recorded(of_user(UserErased, "ann"), since=10):
        model.apply(fact)

    assert model.users["ann"].memberships == frozenset()
    assert model._meant == {}


# digests


def a_vault():
    return Vault(MemoryKeyStore(), Ring.parse(new_ring_text()), lambda: 0.0)


def test_members_of_one_team_have_nothing_in_common_in_the_ledger():
    vault = a_vault()
    made = [
        vault.membership(user, issuer, kind, name)
        for user in ("ann", "bob")
        for issuer in (GITHUB, "https://git.corp")
        for kind in ("organization", "team", "group")
        for name in ("acme/core", "acme")
    ]

    assert len(set(made)) == len(made) == 24
    assert {len(digest) for digest in made} == {32}
    assert made[0] != a_vault().membership("ann", GITHUB, "organization", "acme/core")


def test_organisations_and_teams_are_the_same_in_any_case_and_groups_are_not():
    vault = a_vault()

    def same(kind, one, other):
        return vault.membership("ann", GITHUB, kind, one) == vault.membership("ann", GITHUB, kind, other)

    assert same("organization", "Acme", "aCME")
    assert same("team", "Acme/Core", "acme/core")
    assert not same("group", "Staff", "staff")
    assert same("group", "지라", "지라")


# what may be written


@pytest.mark.parametrize(
    ("audience", "places"),
    [
        ("everyone", []),
        ({}, []),
        ({"users": []}, []),
        ({"users": ["ann"], "organizations": ["acme"], "teams": ["acme/core"], "groups": ["any thing/at all"]}, []),
        ("nobody", [""]),
        (None, [""]),
        (["ann"], [""]),
        ({"organisations": ["acme"]}, ["/organisations"]),
        ({"users": "ann", "groups": {}}, ["/users", "/groups"]),
        ({"users": ["ann", 7, None]}, ["/users/1", "/users/2"]),
        ({"users": ["", " ann", "x" * 257, "a\nb"]}, ["/users/0", "/users/1", "/users/2", "/users/3"]),
        ({"organizations": ["acme/core"]}, ["/organizations/0"]),
        ({"teams": ["core", "acme/", "/core", "a/b/c"]}, ["/teams/0", "/teams/1", "/teams/2", "/teams/3"]),
        ({"users": [f"u{n}" for n in range(MOST_NAMES)], "groups": ["one more"]}, [""]),
    ],
)
def test_what_is_no_audience_is_refused_place_by_place(audience, places):
    report = check_server("jira", {**STDIO, "mcphub": {"audience": audience}}, Policy())

    found = [(error.pointer, error.code) for error in report.errors]
    assert found == [(f"/mcpServers/jira/mcphub/audience{place}", "bad_audience") for place in places]
    assert ["".join(f"/{step}" for step in path) for path, _ in faults(audience)] == places


def test_names_that_nobody_has_are_warned_of():
    policy = Policy(user_exists=lambda name: name == "ann")
    config = {**STDIO, "owner": "carol", **for_(users=["ann", "bob"])}

    report = check_server("jira", config, policy)

    assert report.errors == []
    assert [(warning.pointer, warning.code) for warning in report.warnings] == [
        ("/mcpServers/jira/mcphub/audience/users/1", "unknown_user"),
        ("/mcpServers/jira/owner", "unknown_user"),
    ]


def test_the_audience_of_a_private_server_is_said_to_be_without_effect():
    report = check_server("jira", {**STDIO, "visibility": "private", "owner": "ann", **for_(users=["ann"])}, Policy())

    assert [(warning.pointer, warning.code) for warning in report.warnings] == [
        ("/mcpServers/jira/mcphub/audience", "not_applied")
    ]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "everyone"),
        (for_(), "nobody"),
        (for_(users=["ann", "bob"], teams=["acme/core"]), "users ann, bob; teams acme/core"),
        (for_(groups=[f"g{n}" for n in range(22)]), f"groups {', '.join(f'g{n}' for n in range(20))} and 2 more"),
        ({"visibility": "private", "owner": "ann"}, "its owner ann"),
        ({"visibility": "private"}, "nobody"),
        ({"mcphub": {"audience": 7}}, "nobody: the audience cannot be read"),
        ({"mcphub": []}, "nobody: the audience cannot be read"),
    ],
)
def test_an_audience_in_words(config, words):
    assert audience_of(config).described() == words


# names that cannot be claimed


@pytest.mark.parametrize(
    "config",
    [
        for_(users=["bob", "carol"]),
        {"owner": "carol"},
        {"visibility": "private", "owner": "carol"},
        for_(users=["carol"], exceptions=["x"]),
    ],
)
def test_a_name_a_server_is_meant_for_is_spoken_for(config):
    model = modelled(*member("ann"), added("jira", **config))

    assert model.spoken_for()["carol"] == ["JIRA"]
    assert "ann" not in model.spoken_for()
    assert modelled(added("jira", **config), removed("jira")).spoken_for() == {}


# what is recorded: memberships


def signing_in(memberships, user="ann"):
    return SignInByProvider(user, "s1", {}, memberships)


SESSION = SignedIn(user_id="ann", session_id="s1")
CORE = UserMembershipsChanged(user_id="ann", memberships=["core"])


def known(*memberships):
    return of_user(UserMembershipsChanged, "ann", memberships=list(memberships))


def test_a_first_sign_in_records_them_with_the_registration(scenario):
    who = Identity("github", GITHUB, "42", "sealed-42")

    scenario.when(RegisterByProvider("ann", "ann", "sealed", who, {}, active=True, memberships=["a", "b"])).then(
        UserRegistered(
            user_id="ann", username="sealed", provider="github", identity="42", issuer=GITHUB, subject="sealed-42"
        ),
        UserActivated(user_id="ann"),
        UserMembershipsChanged(user_id="ann", memberships=["a", "b"]),
    )


def test_a_sign_in_records_what_changed_and_nothing_when_nothing_did(scenario):
    scenario.given(*elsewhere("ann", "42"))
    scenario.when(signing_in(["core"])).then(CORE, SESSION)

    scenario.given(known("core"))
    scenario.when(signing_in(["core"])).then(SESSION)
    scenario.when(signing_in([])).then(UserMembershipsChanged(user_id="ann", memberships=[]), SESSION)


def test_a_provider_that_does_not_say_leaves_them_as_they_are(scenario):
    scenario.given(*elsewhere("ann", "42"), known("core"))
    scenario.when(signing_in(None)).then(SESSION)


def test_who_comes_back_belongs_to_it_again_by_the_same_sign_in(scenario):
    out = of_user(UserDeactivated, "ann", reason="not_a_member", cause="membership")
    scenario.given(*elsewhere("ann", "42"), known("core"), out)

    scenario.when(signing_in(["core"])).then(UserActivated(user_id="ann"), CORE, SESSION)


def test_a_look_records_a_change_of_somebody_active_only(scenario):
    scenario.given(*elsewhere("ann", "42"), *member("bob"))
    scenario.when(NoteMemberships("ann", ["core"])).then(CORE)
    scenario.when(NoteMemberships("bob", ["core"])).then()

    scenario.given(known("core"))
    scenario.when(NoteMemberships("ann", ["core"])).then()

    scenario.given(of_user(UserDeactivated, "ann"))
    scenario.when(NoteMemberships("ann", ["core"])).then()


# what is recorded: audiences


def audience_fact(value):
    return ServerAudienceChanged(server_id="jira", audience=Raw(json.dumps(value, separators=(",", ":")).encode()))


@pytest.mark.parametrize(
    ("before", "asked", "recorded_"),
    [
        ({}, {"users": ["ann"]}, True),
        ({}, "everyone", False),
        (for_(users=["ann"]), {"users": ["ann"]}, False),
        (for_(users=["ann"]), {"users": ["ann", "bob"]}, True),
        (for_(users=["ann"]), "everyone", True),
        (for_(users=["ann"]), {}, True),
    ],
)
def test_an_audience_is_a_fact_of_its_own(scenario, before, asked, recorded_):
    scenario.given(added("jira", **before))

    scenario.when(SetServerAudience("JIRA", asked)).then(*([audience_fact(asked)] if recorded_ else []))


def test_only_audiences_are_taken_and_only_of_servers(scenario):
    scenario.given(added("jira"))

    scenario.when(SetServerAudience("WIKI", "everyone")).refused(UnknownServerId)
    scenario.when(SetServerAudience("JIRA", {"teams": ["core"]})).refused(DocumentRefused)


@pytest.mark.parametrize(
    ("before", "after", "facts"),
    [
        ({}, for_(users=["ann"]), [audience_fact({"users": ["ann"]})]),
        (for_(users=["ann"]), for_(), [audience_fact({})]),
        (for_(users=["ann"]), {}, [audience_fact(None)]),
        (
            for_(users=["ann"]),
            {"enabled": False, **for_(groups=["x"])},
            [audience_fact({"groups": ["x"]}), ServerChanged],
        ),
        (
            {"enabled": True, **for_(users=["ann"])},
            {"enabled": False, **for_(groups=["x"])},
            [audience_fact({"groups": ["x"]}), ServerDisabled(server_id="jira")],
        ),
        (
            {"mcphub": {"audience": {"users": ["ann"]}, "riskLevel": "low"}},
            {"mcphub": {"audience": {"users": ["bob"]}, "riskLevel": "high"}},
            [audience_fact({"users": ["bob"]}), ServerChanged],
        ),
    ],
)
def test_a_save_says_the_audience_by_its_own_fact_and_the_rest_by_others(scenario, before, after, facts):
    scenario.given(added("jira", **before))
    wanted = {"command": "node", **after}
    whole = ServerChanged(server_id="jira", config=Raw(json.dumps(wanted, separators=(",", ":")).encode()))

    command = ChangeServer("JIRA", config=wanted)
    scenario.when(command).then(*(whole if fact is ServerChanged else fact for fact in facts))

    assert command.state.by_name("JIRA").config == wanted


def test_the_preview_names_it(scenario):
    scenario.given(added("jira"))
    document = {"mcpServers": {"JIRA": {"command": "node", **for_(organizations=["acme"], users=["ann"])}}}
    command = ApplySettings(document, "sha", lambda: "s")

    scenario.when(command).then(
        audience_fact({"organizations": ["acme"], "users": ["ann"]}),
        SettingsFileImported(sha256="sha", members=["mcpServers"], order=["jira"]),
    )

    assert changes_of(command)[0] == {
        "type": "ServerAudienceChanged",
        "server": "JIRA",
        "summary": "users ann; organizations acme",
    }


def test_a_new_server_brings_its_audience(scenario):
    command = AddServer("jira", "JIRA", {"command": "node", **for_(users=["ann"])})
    command.execute()

    assert [type(tagged.decision).__name__ for tagged in command.new_decisions] == ["ServerAdded"]
    assert command.state.servers["jira"].audience == read({"users": ["ann"]})


def test_old_facts_of_a_whole_configuration_count_as_before():
    changed = ServerChanged(server_id="jira", config=Raw(json.dumps({**STDIO, **for_(users=["bob"])}).encode()))

    model = modelled(*ANN, *member("bob"), added("jira"), (changed, ["server:jira", "servers"]))

    assert (why(model), why(model, "bob")) == ("not_in_audience", "allowed")
