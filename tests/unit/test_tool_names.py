"""Names given to tools: which may be given, and that each tool keeps its own whatever its server lists."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from mcphub.domain.errors import ToolNameTaken, UnknownServerId
from mcphub.domain.events import (
    SERVERS,
    ServerAdded,
    ToolDisabled,
    ToolNameReset,
    ToolOverrideReset,
    ToolRenamed,
)
from mcphub.domain.findings import DocumentRefused, Policy
from mcphub.domain.names import MOST_EXPOSED, MOST_GIVEN, exposed_name, shown_names, tool_map
from mcphub.domain.server_check import check_server
from mcphub.domain.servers import SetToolName, changes_of
from mcphub.domain.settings_file import compact
from mcphub.domain.testing import Scenario
from mcphub.domain.tool_names import KnownTools, claims, given_names, holder
from tests.support.settings import Settings

WEB = {"type": "streamable-http", "url": "https://h.example/mcp"}
OF_S1 = ["server:s1", SERVERS]


@pytest.fixture
def scenario():
    return Scenario()


def added(**config):
    return ServerAdded(server_id="s1", name="wiki", slug="wiki", config=Raw(compact({**WEB, **config}))), OF_S1


def called(tool, name):
    return ToolRenamed(server_id="s1", tool=tool, name=name), OF_S1


# on the aggregate, and at the server's own address


def test_a_renamed_tool_is_exposed_by_its_given_name_and_leads_back_to_its_own():
    assert tool_map("wiki", ["search", "read"], {"search": "find"}) == {"wiki__find": "search", "wiki__read": "read"}
    assert shown_names("wiki", ["search", "read"], {"search": "find"}) == {"search": "find", "read": "read"}


def test_a_newcomer_of_a_given_name_gets_the_hash_and_the_renamed_one_keeps_its_name():
    made = tool_map("wiki", ["search", "find"], {"search": "find"})
    shown = shown_names("wiki", ["search", "find"], {"search": "find"})

    assert made["wiki__find"] == "search"
    assert sorted(made) == ["wiki__find", "wiki__find_b0ea95"]
    assert shown == {"search": "find", "find": "find_b0ea95"}


def test_a_given_name_stays_its_tools_while_the_server_does_not_list_it():
    assert list(tool_map("wiki", ["find"], {"search": "find"})) == ["wiki__find_b0ea95"]
    assert shown_names("wiki", ["find"], {"search": "find"}) == {"find": "find_b0ea95"}


def test_renaming_a_tool_gives_its_former_name_to_no_other():
    before = tool_map("wiki", ["a_b", "a.b"])
    after = tool_map("wiki", ["a_b", "a.b"], {"a_b": "other"})

    assert after == {"wiki__other": "a_b", **{exposed: tool for exposed, tool in before.items() if tool == "a.b"}}
    assert "wiki__a_b" not in after


def test_a_given_name_that_is_too_long_beside_the_slug_is_cut_with_a_hash():
    name = "n" * MOST_GIVEN

    assert list(tool_map("wiki", ["a"], {"a": name})) == [exposed_name("wiki", name)]
    assert shown_names("wiki", ["a"], {"a": name}) == {"a": name}


def test_a_newcomer_that_is_named_like_the_hash_of_another_takes_nothing_from_it():
    made = tool_map("wiki", ["search", "find", "find_b0ea95"], {"search": "find"})
    shown = shown_names("wiki", ["search", "find", "find_b0ea95"], {"search": "find"})

    assert made["wiki__find_b0ea95"] == "find_b0ea95"
    assert len(set(shown.values())) == len(shown) == len(made) == 3


OWN = st.lists(st.text("ab._/ 가", min_size=1, max_size=50), max_size=10)
GIVEN = st.dictionaries(
    st.text("ab._/ 가", min_size=1, max_size=50), st.text("ab_-", min_size=1, max_size=MOST_GIVEN), max_size=5
).map(lambda named: given_names({"tools": {tool: {"name": name} for tool, name in named.items()}}))


@given(OWN, GIVEN, st.randoms())
def test_names_are_complete_unique_stable_and_within_bounds(names, names_given, random):
    made, shown = tool_map("s-1", names, names_given), shown_names("s-1", names, names_given)
    shuffled = [*names, *names]
    random.shuffle(shuffled)
    again = dict(sorted(names_given.items(), reverse=True))

    assert sorted(made.values()) == sorted(shown) == sorted(set(names))
    assert len(set(shown.values())) == len(shown)
    assert all(re.fullmatch(r"s-1__[A-Za-z0-9_-]+", name) and len(name) <= MOST_EXPOSED for name in made)
    assert tool_map("s-1", shuffled, again) == made
    assert shown_names("s-1", shuffled, again) == shown
    for tool in set(names) & names_given.keys():
        assert shown[tool] == names_given[tool]
    for tool in set(names) - names_given.keys() - set(names_given.values()):
        assert shown[tool] == tool


@given(OWN, GIVEN, OWN)
def test_what_a_server_lists_later_takes_no_given_name_from_a_tool(names, names_given, newcomers):
    renamed = set(names) & names_given.keys()

    def of_the_renamed(listed):
        return {name: tool for name, tool in tool_map("s-1", listed, names_given).items() if tool in renamed}

    assert of_the_renamed([*names, *newcomers]) == of_the_renamed(names)


@given(OWN, GIVEN)
def test_giving_a_free_name_changes_no_other_tools_name(names, names_given):
    for tool, name in names_given.items():
        others = {*names} - {tool}
        if tool in names and not holder(claims("s-1", names, {}), "s-1", tool, name):
            before = {own: exposed for exposed, own in tool_map("s-1", names).items()}
            after = {own: exposed for exposed, own in tool_map("s-1", names, {tool: name}).items()}
            assert {own: after[own] for own in others} == {own: before[own] for own in others}


# what is a name, and whose it is


@pytest.mark.parametrize(
    ("entries", "names"),
    [
        ({"search": {"name": "find"}}, {"search": "find"}),
        ({"search": {"name": "search"}}, {}),
        ({"search": {"name": "no name"}, "read": {"name": 5}, "save": 7}, {}),
        ({"b": {"name": "find"}, "a": {"name": "find"}}, {"a": "find"}),
    ],
)
def test_documents_older_than_the_rule_hold_what_is_no_name(entries, names):
    assert given_names({"tools": entries}) == names


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("find", ""),
        ("read", "read"),  # another's own name
        ("get_issue", "get.issue"),  # what another is exposed by
        ("taken", "save"),  # given to another
        ("save", "save"),  # what another was called before
        ("a" * 60, "a" * 60),
    ],
)
def test_a_name_belongs_to_one_tool(name, other):
    claimed = claims("wiki", ["search", "read", "get.issue", "save", "a" * 60], {"save": "taken"})

    assert holder(claimed, "wiki", "search", name) == other


# the command


def test_a_tool_is_given_a_name_and_its_own_again(scenario):
    scenario.given(added()).when(SetToolName("wiki", "search", "find", ["search", "read"]))
    scenario.then(ToolRenamed(server_id="s1", tool="search", name="find"))
    assert scenario.tagged() == [OF_S1]
    assert changes_of(scenario.command) == [{"type": "ToolRenamed", "server": "wiki", "summary": "search → find"}]

    scenario.given(called("search", "find"))
    scenario.when(SetToolName("wiki", "search", "find", ["search", "find"])).then()  # it has it
    scenario.when(SetToolName("wiki", "search", "look")).then(ToolRenamed(server_id="s1", tool="search", name="look"))
    scenario.when(SetToolName("wiki", "search", None)).then(ToolNameReset(server_id="s1", tool="search"))
    scenario.when(SetToolName("wiki", "search", "search")).then(ToolNameReset(server_id="s1", tool="search"))
    scenario.when(SetToolName("wiki", "read", None)).then()


def test_a_name_another_tool_has_is_refused_in_a_sentence(scenario):
    scenario.given(added(tools={"read": {"enabled": False}}), called("save", "taken"))

    for name in ("read", "taken", "save", "find"):
        scenario.when(SetToolName("wiki", "search", name, ["find"])).refused(ToolNameTaken)

    assert scenario.error.code == "tool_name_taken"
    assert str(scenario.error) == "Tool 'find' of server 'wiki' has the name 'find' already, or one like it."


@pytest.mark.parametrize("name", ["", "a b", "a.b", "지라", "a" * 65, "a\n"])
def test_what_is_no_name_is_refused(scenario, name):
    scenario.given(added()).when(SetToolName("wiki", "search", name)).refused(DocumentRefused)

    assert [(found.pointer, found.code) for found in scenario.error.findings] == [("/name", "bad_name")]


def test_an_unknown_server_has_no_tools_to_name(scenario):
    scenario.given(added()).when(SetToolName("desk", "search", "find")).refused(UnknownServerId)


def test_a_name_and_a_switch_and_a_description_leave_each_other_alone(scenario):
    scenario.given(
        added(tools={"search": {"x-kept": 1, "description": "mine"}}),
        called("search", "find"),
        (ToolDisabled(server_id="s1", tool="search"), OF_S1),
        (ToolOverrideReset(server_id="s1", tool="search"), OF_S1),
    )
    scenario.when(SetToolName("wiki", "search", None))

    assert scenario.command.state.by_name("wiki").override("tools", "search") == {"x-kept": 1, "enabled": False}


# the document


def test_names_in_a_document_are_facts_of_their_own_and_come_out_as_they_went_in():
    settings = Settings()

    def saved(**named):
        before, document = settings.state.version, {**WEB, "tools": {"search": {"x-kept": [1], **named}}}
        settings.save(json.dumps({"mcpServers": {"wiki": document}}))
        assert settings.state.document() == {"mcpServers": {"wiki": document}}
        return [found.event.type for found in settings.hub.recorder.read(after=before)]

    saved()
    assert saved(name="find") == ["ToolRenamed", "SettingsFileImported"]
    assert settings.state.by_name("wiki").given_names == {"search": "find"}
    assert saved() == ["ToolNameReset", "SettingsFileImported"]
    assert settings.state.by_name("wiki").given_names == {}


def findings(tools, *, listed=(), names_given=None, **rest):
    known = KnownTools("wiki", listed, names_given or {})
    report = check_server("wiki", {**WEB, "tools": tools, **rest}, Policy(tools_of=lambda _: known))
    return [
        *((found.code, found.pointer.removeprefix("/mcpServers/wiki")) for found in report.errors),
        *((found.code, found.pointer.removeprefix("/mcpServers/wiki"), "warning") for found in report.warnings),
    ]


def test_a_document_gives_no_two_tools_one_name():
    place = "/tools/a/name"
    newcomer = {"a": {"name": "find"}, "find": {"enabled": False}}

    assert findings({"a": {"name": "find"}, "b": {"name": "a"}}, listed=["a", "b"]) == [
        ("tool_name_taken", "/tools/b/name")
    ]
    assert findings({"a": {"name": "x"}, "b": {"name": "x"}}) == [
        ("tool_name_taken", place),
        ("tool_name_taken", "/tools/b/name"),
    ]
    assert findings({"a": {"name": "get_x"}}, listed=["get.x"]) == [("tool_name_taken", place)]
    assert findings({"a": {"name": "no name"}, "b": {"name": 5}}) == [("type_conflict", "/tools/b/name")]
    assert findings({"a": {"name": "no name"}}) == [("bad_name", place)]
    # A name that was given before its server listed another tool of that name stays, and so does a document with both.
    assert findings(newcomer, listed=["find"], names_given={"a": "find"}) == [("tool_name_taken", place, "warning")]
    assert findings(newcomer) == [("tool_name_taken", place, "warning")]
    assert findings({"a": {"name": "a"}, "b": {"name": "find"}}, listed=["a", "b"]) == []


def test_only_tools_are_given_names():
    assert findings({}, prompts={"a": {"name": "b"}}) == [("not_applied", "/prompts/a/name", "warning")]
