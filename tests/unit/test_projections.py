"""Given these facts, then these rows; and rows as lines of COPY."""

from datetime import datetime

import pytest
from msgspec import Raw, Struct
from msgspec.structs import replace

from mcphub.domain.events import (
    AuditorGranted,
    AuditorRevoked,
    GroupChanged,
    GroupDeleted,
    KeyExpired,
    KeyExtended,
    KeyFirstUsed,
    KeyRenamed,
    KeyRevoked,
    KeyRotated,
    Scope,
    SecretSlotDeclared,
    SecretSlotRetired,
    ServerChanged,
    ServerDisabled,
    ServerRef,
    ServerRenamed,
    SettingsFileImported,
    SignedIn,
    SystemConfigChanged,
    ToolDescriptionOverridden,
    ToolDisabled,
    UserDeactivated,
    UserDeleted,
    UserErased,
    UserPreferencesChanged,
    UserProfileSynced,
    UserRestored,
    server_tag,
)
from mcphub.projections.credentials import Credentials
from mcphub.projections.groups import Groups
from mcphub.projections.keys import KeyTable
from mcphub.projections.projection import Naming, Projection, Rows, Table, fold
from mcphub.projections.servers import Servers, SettingsDocument
from mcphub.projections.slots import Slots
from mcphub.projections.users import Users
from tests.support.facts import (
    NOW,
    added,
    admin,
    cleared,
    elsewhere,
    grouped,
    issued,
    member,
    of_group,
    of_key,
    of_user,
    recorded,
    registered,
    removed,
    saved,
)


def rows(projection, *facts):
    """The rows by their first key column, or by all of them when there are more."""
    found = fold(projection, recorded(*facts)).rows
    return {key[0] if len(key) == 1 else key: row for key, row in found.items()}


def of_server(fact, server, **more):
    return (fact(server_id=server, **more), [server_tag(server), "servers"])


def at(position):
    return recorded(registered("x"), since=position)[0].at


# users


def test_a_registered_user_waits_and_an_activated_one_is_in():
    assert not rows(Users(), registered("bob"))["bob"].active

    row = rows(Users(), *member("bob"))["bob"]
    assert (row.active, row.was_active, row.position, row.registered_at) == (True, True, 2, at(1))


def test_a_row_remembers_which_event_changed_it_last():
    row = rows(Users(), *admin("ann"), *member("bob"), of_user(SignedIn, "ann", session_id="s"))["ann"]

    assert (row.admin, row.position, row.last_sign_in_at) == (True, 6, at(6))


def test_a_soft_deleted_user_stays_as_a_row_and_comes_back_inactive():
    deleted = (*member("bob"), of_user(UserDeleted, "bob"))
    assert (rows(Users(), *deleted)["bob"].deleted, rows(Users(), *deleted)["bob"].active) == (True, False)

    row = rows(Users(), *deleted, of_user(UserRestored, "bob"))["bob"]
    assert (row.deleted, row.active, row.was_active) == (False, False, True)


def test_only_the_preferences_that_changed_change():
    row = rows(
        Users(),
        *member("bob"),
        of_user(UserPreferencesChanged, "bob", theme="dark", show_why=True),
        of_user(UserPreferencesChanged, "bob", theme="light"),
    )["bob"]

    assert (row.theme, row.show_why, row.density, row.exposure_mode) == ("light", True, "comfortable", "auto")


def test_an_auditor_is_shown_as_one_and_no_longer():
    assert rows(Users(), *member("bob"), of_user(AuditorGranted, "bob"))["bob"].auditor
    assert not rows(Users(), *member("bob"), of_user(AuditorGranted, "bob"), of_user(AuditorRevoked, "bob"))[
        "bob"
    ].auditor


def test_a_profile_that_changed_elsewhere_changes_here():
    row = rows(Users(), *elsewhere("bob", "42"), of_user(UserProfileSynced, "bob", email="mail", login="new"))["bob"]

    assert (row.provider, row.email, row.display_name, row.username, row.position) == (
        "github",
        "mail",
        "",
        "sealed-bob",
        3,
    )


def test_an_erased_user_has_no_row_and_later_facts_make_none():
    assert rows(Users(), *member("bob"), of_user(UserErased, "bob"), of_user(UserDeactivated, "bob")) == {}


# keys


def test_a_key_shows_what_became_of_it():
    end, grace = NOW.replace(year=2027), NOW.replace(month=4)
    row = rows(
        KeyTable(),
        issued("bob", "k1", days=1),
        of_key(KeyFirstUsed, "bob", "k1"),
        of_key(KeyExpired, "bob", "k1"),
        of_key(KeyExtended, "bob", "k1", expires_at=end),
        of_key(KeyRenamed, "bob", "k1", name="Laptop", scope=Scope(servers=["jira"])),
        of_key(KeyRotated, "bob", "k1", successor="k2", grace_until=grace),
        of_key(KeyRevoked, "bob", "k1"),
    )["k1"]

    assert (row.name, row.scope, row.expires_at, row.expiry_noted) == ("Laptop", Scope(servers=["jira"]), end, False)
    assert (row.successor, row.grace_until, row.first_used_at, row.revoked_at) == ("k2", grace, at(2), at(7))


def test_an_erasure_takes_the_users_keys_groups_and_values_and_nobody_elses():
    erased = of_user(UserErased, "bob")

    assert list(rows(KeyTable(), issued("bob", "k1"), issued("ann", "k2"), erased)) == ["k2"]
    assert list(rows(Groups(), grouped("bob", "g1"), grouped("ann", "g2"), erased)) == ["g2"]
    assert list(rows(Credentials(), saved("bob", "jira", "A"), saved("ann", "jira", "A"), erased)) == [
        ("ann", "jira", "A")
    ]


# values


def test_a_value_is_replaced_and_cleared():
    first = saved("bob", "jira", "A", "k1")
    assert rows(Credentials(), first, saved("bob", "jira", "A", "k2"))["bob", "jira", "A"].data_key == "k2"
    assert rows(Credentials(), first, cleared("bob", "jira", "A")) == {}


def test_a_removed_servers_values_stay():
    assert len(rows(Credentials(), added("jira"), saved("bob", "jira", "A"), removed("jira"))) == 1


# groups


def test_a_servers_new_name_follows_into_every_group_that_has_it():
    found = rows(
        Groups(),
        grouped("bob", "g1", "jira", "wiki"),
        grouped("ann", "g2", "wiki"),
        of_server(ServerRenamed, "jira", old_name="JIRA", name="Tracker"),
    )

    assert found["g1"].servers == [ServerRef("jira", "Tracker"), ServerRef("wiki", "WIKI")]
    assert (found["g1"].position, found["g2"].servers) == (1, [ServerRef("wiki", "WIKI")])


def test_the_new_name_of_a_server_follows_into_a_group_that_had_it_by_its_old_one():
    found = rows(
        Groups(),
        grouped("bob", "g1", "jira"),
        removed("jira"),
        added("jira2", name="JIRA"),
        of_server(ServerRenamed, "jira2", old_name="JIRA", name="Tracker"),
    )

    assert found["g1"].servers == [ServerRef("jira2", "Tracker")]


def test_a_group_changes_and_goes():
    changed = (grouped("bob", "g1", "jira"), of_group(GroupChanged, "bob", "g1", name="Play", slug="play"))
    row = rows(Groups(), *changed)["g1"]
    assert (row.name, row.slug, row.servers, row.updated_at) == ("Play", "play", [ServerRef("jira", "JIRA")], at(2))

    assert rows(Groups(), *changed, of_group(GroupDeleted, "bob", "g1")) == {}


# servers, slots, the document


def test_a_servers_configuration_follows_the_fine_facts():
    row = rows(
        Servers(),
        added("jira", tools={"search": {"description": "Find"}}),
        of_server(ToolDisabled, "jira", tool="search"),
        of_server(ToolDescriptionOverridden, "jira", tool="create", description="Make"),
        of_server(ServerDisabled, "jira"),
        of_server(ServerRenamed, "jira", old_name="JIRA", name="Tracker"),
    )["jira"]

    assert (row.name, row.enabled, row.added_position, row.position) == ("Tracker", False, 1, 5)
    assert row.config["tools"] == {
        "search": {"description": "Find", "enabled": False},
        "create": {"description": "Make"},
    }


def test_a_changed_server_is_what_the_document_says_and_a_removed_one_is_gone():
    changed = of_server(ServerChanged, "jira", config=Raw(b'{"url":"https://h","enabled":false}'))
    assert rows(Servers(), added("jira"), changed)["jira"].config == {"url": "https://h", "enabled": False}
    assert rows(Servers(), added("jira"), removed("jira")) == {}


def declared(server, variable):
    return of_server(SecretSlotDeclared, server, variable=variable, name=f"USER_{variable}", placements=["env"])


def test_slots_go_one_by_one_or_with_their_server():
    slots = (declared("jira", "A"), declared("jira", "B"), declared("wiki", "A"))

    assert list(rows(Slots(), *slots, of_server(SecretSlotRetired, "jira", variable="A"))) == [
        ("jira", "B"),
        ("wiki", "A"),
    ]
    assert list(rows(Slots(), *slots, removed("jira"))) == [("wiki", "A")]


def test_the_rest_of_the_document_is_one_row():
    imported = SettingsFileImported(
        sha256="abc", members=["mcpServers", "x"], order=["jira"], preserved=Raw(b'{"x":1}')
    )
    row = rows(SettingsDocument(), (SystemConfigChanged(config=Raw(b'{"a":1}')), ["servers"]), (imported, ["servers"]))[
        True
    ]

    assert (row.system, row.preserved, row.members, row.server_order, row.position) == (
        {"a": 1},
        {"x": 1},
        ["mcpServers", "x"],
        ["jira"],
        2,
    )


# the machinery


class Note(Struct, frozen=True, kw_only=True):
    key: str
    owner: str
    count: int = 0
    ratio: float | None = None
    at: datetime | None = None
    words: list[str] = []
    on: bool = False
    more: dict[str, str] | None = None


class Notes(Projection[Note]):
    name = "notes"
    row = Note
    key_columns = ("key",)
    handles = ()
    ddl = ""
    naming = "words"

    def __init__(self, key, evolve):
        self.key, self._evolve = key, evolve

    def evolve(self, row, fact):
        return self._evolve(row, fact)


def test_several_rows_are_found_by_a_column_also_those_that_came_after_the_first_look():
    """The index over the column is made at the first look and kept up from then on."""
    looks = iter([Rows("owner", "bob"), ("c",), Rows("owner", "bob"), Rows("owner", "nobody")])
    table = Table(
        Notes(
            lambda _: next(looks),
            lambda row, _: replace(row, count=row.count + 1) if row else Note(key="c", owner="bob"),
        ),
        [Note(key="a", owner="bob"), Note(key="b", owner="ann")],
    )
    for fact in recorded(*[registered("x")] * 4):
        table.apply(fact)

    assert {key: row.count for (key,), row in table.rows.items()} == {"a": 2, "b": 0, "c": 1}
    assert table.touched == {("a",), ("c",)}


def test_a_row_that_is_gone_is_not_found_again():
    looks = iter([Rows("owner", "bob"), Rows("owner", "bob")])
    table = Table(Notes(lambda _: next(looks), lambda row, _: None), [Note(key="a", owner="bob")])
    for fact in recorded(*[registered("x")] * 2):
        table.apply(fact)

    assert table.rows == {}


def test_rows_are_found_by_what_they_name_also_when_they_came_to_name_it_after_the_first_look():
    looks = iter([Naming(lambda word: word in "xy"), ("c",), Naming(lambda word: word == "x")])
    table = Table(
        Notes(lambda _: next(looks), lambda row, _: replace(row, count=row.count + 1, words=["x"])),
        [Note(key="a", owner="o", words=["x", "z"]), Note(key="b", owner="o", words=["z"]), Note(key="c", owner="o")],
    )
    for fact in recorded(*[registered("x")] * 3):
        table.apply(fact)

    assert {key: row.count for (key,), row in table.rows.items()} == {"a": 2, "b": 0, "c": 2}


@pytest.mark.parametrize(
    ("more", "columns"),
    [
        ({}, '"k","o",0,null,null,"{}",false,null'),
        ({"count": -7, "ratio": 1.5, "on": True}, '"k","o",-7,1.5,null,"{}",true,null'),
        ({"at": NOW.replace(microsecond=5)}, '"k","o",0,null,"2026-03-01T12:00:00.000005Z","{}",false,null'),
        ({"owner": 'a\tb\nc\\d\re"\x01\x7f\b\f'}, '"k","a\tb\nc\\\\d\re\\"\x01\x7f\b\f",0,null,null,"{}",false,null'),
        ({"owner": r"null \n ]"}, r'"k","null \\n ]",0,null,null,"{}",false,null'),
        ({"owner": ""}, '"k","",0,null,null,"{}",false,null'),
        ({"owner": "지라"}, '"k","지라",0,null,null,"{}",false,null'),
        (
            {"words": ["a", 'b"c', "d\\e", "f,g", "h\ni"]},
            r""""k","o",0,null,null,"{\"a\",\"b\\\"c\",\"d\\\\e\",\"f,g\",\"h
i\"}",false,null""",
        ),
        ({"words": ["NULL", ""]}, r'"k","o",0,null,null,"{\"NULL\",\"\"}",false,null'),
        ({"more": {"a": 'x"\n'}}, r'"k","o",0,null,null,"{}",false,"{\"a\":\"x\\\"\\n\"}"'),
    ],
)
def test_a_row_is_a_line_as_copy_reads_it(more, columns):
    row, plain = Note(**{"key": "k", "owner": "o", **more}), Note(key="p", owner="o")

    lines = Notes(None, None).lines([row, plain])

    assert lines.decode() == columns + '\n"p","o",0,null,null,"{}",false,null'
