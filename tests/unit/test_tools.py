"""What servers say of their tools becomes facts: once, bounded, and under an administrator's hand."""

import json
from datetime import timedelta

import pytest
from msgspec import UNSET, Raw

from mcphub.domain.access import ALL, Capability, Principal, decide
from mcphub.domain.errors import DefinitionOutdated, UnknownTool
from mcphub.domain.events import (
    SERVERS,
    ServerChanged,
    ToolApproved,
    ToolChanged,
    ToolDiscovered,
    ToolQuarantined,
    ToolWithdrawn,
    server_tag,
)
from mcphub.domain.testing import Scenario
from mcphub.domain.tool_book import MOST_DEFINITION, definition_of, differences
from mcphub.domain.tools import (
    MOST_AN_HOUR,
    MOST_BYTES_AN_HOUR,
    MOST_FIRST,
    ApproveTool,
    Listed,
    ObserveTools,
)
from tests.support.facts import NOW, added, member, modelled, removed

STRICT = {"mcphub": {"onToolChange": "quarantine"}}
BEGAN = NOW - timedelta(days=1)
TAGS = ["server:jira"]


def said(tool, description="as it was", **more):
    return json.dumps({"name": tool, "description": description, **more}).encode()


def listed(tool, description="as it was", **more):
    return Listed(tool, definition_of(said(tool, description, **more)))


def hash_of(tool, description="as it was", **more):
    return definition_of(said(tool, description, **more)).hash


def text_of(tool, description="as it was", **more):
    return Raw(definition_of(said(tool, description, **more)).text)


def found(tool, description="as it was", seen=BEGAN):
    """A tool on the record."""
    return ToolDiscovered(
        server_id="jira", tool=tool, hash=hash_of(tool, description), definition=text_of(tool, description), seen=seen
    )


def changed(tool, before, after, seen=NOW):
    return ToolChanged(
        server_id="jira",
        tool=tool,
        hash=hash_of(tool, after),
        former=hash_of(tool, before),
        definition=text_of(tool, after),
        seen=seen,
    )


def waits(tool, description, seen=NOW):
    return ToolQuarantined(server_id="jira", tool=tool, hash=hash_of(tool, description), seen=seen)


def approved(tool, description):
    return ToolApproved(server_id="jira", tool=tool, hash=hash_of(tool, description))


def withdrawn(tool, seen=NOW):
    return ToolWithdrawn(server_id="jira", tool=tool, seen=seen)


def facts(*events):
    return [(event, TAGS) for event in events]


def observe(*tools, vanished=(), now=NOW):
    return lambda: ObserveTools("jira", tools, vanished, now)


# what is written


def test_the_first_list_is_the_baseline_whatever_the_policy():
    for config in ({}, STRICT):
        scenario = Scenario().given(added("jira", **config)).when(observe(listed("search"), listed("create")))

        scenario.then(found("search", seen=NOW), found("create", seen=NOW))
        assert scenario.tagged() == [TAGS, TAGS]


def test_a_definition_seen_before_writes_nothing():
    scenario = Scenario().given(added("jira"), *facts(found("search"), changed("search", "as it was", "otherwise")))

    scenario.when(observe(listed("search"), listed("search", "otherwise"))).then()


def test_white_space_and_the_order_of_members_are_no_change():
    spaced = Listed("search", definition_of(b'{ "description":"as it was",\n "name" : "search" }'))

    Scenario().given(added("jira"), *facts(found("search"))).when(observe(spaced)).then()


def test_another_definition_is_a_change_from_the_one_in_force():
    scenario = Scenario().given(added("jira"), *facts(found("search")))

    scenario.when(observe(listed("search", "otherwise"))).then(changed("search", "as it was", "otherwise"))


def test_a_change_and_a_newcomer_wait_under_quarantine():
    scenario = Scenario().given(added("jira", **STRICT), *facts(found("search")))

    scenario.when(observe(listed("search", "otherwise"), listed("create"))).then(
        changed("search", "as it was", "otherwise"),
        waits("search", "otherwise"),
        found("create", seen=NOW),
        waits("create", "as it was"),
    )


def test_a_second_change_is_compared_with_what_is_in_force_and_not_with_what_waits():
    scenario = Scenario().given(
        added("jira", **STRICT),
        *facts(found("search"), changed("search", "as it was", "second"), waits("search", "second")),
    )

    scenario.when(observe(listed("search", "third"))).then(
        changed("search", "as it was", "third"), waits("search", "third")
    )


def test_the_policy_is_the_one_on_the_record_when_it_is_written():
    config = Raw(json.dumps({"command": "node", **STRICT}).encode())
    stricter = (ServerChanged(server_id="jira", config=config), [server_tag("jira"), SERVERS])
    scenario = Scenario().given(added("jira"), *facts(found("search")), stricter)

    scenario.when(observe(listed("search", "otherwise"))).then(
        changed("search", "as it was", "otherwise"), waits("search", "otherwise")
    )


def test_a_tool_that_no_list_has_any_more_is_withdrawn_once():
    scenario = Scenario().given(added("jira"), *facts(found("search"), found("create")))

    scenario.when(observe(listed("search"), vanished=["create", "unheard-of"])).then(withdrawn("create"))
    scenario.given(*facts(withdrawn("create"))).when(observe(vanished=["create"])).then()


def test_a_tool_that_comes_back_as_it_was_is_discovered_again_and_waits_for_nobody():
    scenario = Scenario().given(added("jira", **STRICT), *facts(found("search"), withdrawn("search")))

    scenario.when(observe(listed("search"))).then(
        ToolDiscovered(server_id="jira", tool="search", hash=hash_of("search"), seen=NOW)
    )


def test_a_tool_that_comes_and_goes_is_on_the_record_twice_an_hour():
    back = ToolDiscovered(server_id="jira", tool="search", hash=hash_of("search"), seen=NOW)
    scenario = Scenario().given(added("jira"), *facts(found("search"), withdrawn("search"), back))

    scenario.when(observe(vanished=["search"], now=NOW + timedelta(minutes=59))).then()
    later = NOW + timedelta(minutes=61)
    scenario.when(observe(vanished=["search"], now=later)).then(withdrawn("search", seen=later))


def test_a_server_that_is_gone_writes_nothing():
    Scenario().given(added("jira"), removed("jira")).when(observe(listed("search"))).then()
    Scenario().when(observe(listed("search"))).then()


# how much is written


def storm(count, stem="new"):
    return [listed(f"{stem}{number}") for number in range(count)]


def decided(scenario):
    return [tagged.decision for tagged in scenario.command.new_decisions]


def test_a_storm_is_cut_off_by_one_fact_that_says_how_much_was_left_out():
    scenario = Scenario().given(added("jira"), *facts(found("search"))).when(observe(*storm(MOST_AN_HOUR + 500)))

    events = decided(scenario)
    assert len(events) == MOST_AN_HOUR + 1
    assert events[-1] == ToolQuarantined(server_id="jira", seen=NOW, left_out=500)

    scenario.given(*facts(*events))
    for minutes in (0, 1, 59):
        scenario.when(observe(*storm(1000, "more"), now=NOW + timedelta(minutes=minutes))).then()


def test_an_hour_later_the_record_goes_on():
    scenario = Scenario().given(added("jira"), *facts(found("search"))).when(observe(*storm(MOST_AN_HOUR + 3)))
    scenario.given(*facts(*decided(scenario)))

    later = NOW + timedelta(hours=1)
    scenario.when(observe(*storm(MOST_AN_HOUR + 3), now=later))

    assert [event.tool for event in decided(scenario)] == [f"new{MOST_AN_HOUR + number}" for number in range(3)]


def test_many_small_lists_bring_no_more_than_one_large():
    """The hour counts what several lists brought."""
    scenario = Scenario().given(added("jira"), *facts(found("search")))
    total = 0
    for minute in range(12):
        scenario.when(observe(*storm(100, f"m{minute}-"), now=NOW + timedelta(minutes=minute)))
        total += len(decided(scenario))
        scenario.given(*facts(*decided(scenario)))

    assert total == MOST_AN_HOUR + 1


def test_a_baseline_is_bounded_too():
    scenario = Scenario().given(added("jira")).when(observe(*storm(MOST_FIRST + 1)))

    events = decided(scenario)
    assert len(events) == MOST_FIRST + 1
    assert events[-1] == ToolQuarantined(server_id="jira", seen=NOW, left_out=1)


def test_the_baseline_does_not_count_as_the_hours_changes():
    scenario = Scenario().given(added("jira")).when(observe(*storm(MOST_AN_HOUR + 1)))
    scenario.given(*facts(*decided(scenario)))

    soon = NOW + timedelta(minutes=1)
    scenario.when(observe(listed("new0", "otherwise"), now=soon)).then(
        changed("new0", "as it was", "otherwise", seen=soon)
    )


def test_of_a_definition_that_is_too_large_the_hash_is_kept():
    large = "x" * MOST_DEFINITION

    Scenario().given(added("jira")).when(observe(listed("search", large))).then(
        ToolDiscovered(server_id="jira", tool="search", hash=hash_of("search", large), seen=NOW)
    )


def test_an_hour_keeps_so_many_bytes_of_definitions_and_of_the_rest_the_hashes():
    half = "x" * (MOST_DEFINITION // 2)
    fitting = MOST_BYTES_AN_HOUR // len(definition_of(said("new0", half)).text)
    scenario = Scenario().given(added("jira"), *facts(found("search")))

    scenario.when(observe(*(listed(f"new{number:02}", half) for number in range(fitting + 3))))

    whole = [bytes(event.definition) != b"null" for event in decided(scenario)]
    assert whole.count(True) in (fitting, fitting - 1)
    assert len(whole) == fitting + 3


@pytest.mark.parametrize("raw", [b'{"name":"a","description":"\\u0000"}', b"{", b'{"name":"\\ud800"}', b"\xff"])
def test_what_cannot_be_stored_still_has_a_hash(raw):
    definition = definition_of(raw)

    assert definition.text is None
    assert len(definition.hash) == 64


# approval


def test_an_administrator_approves_what_waits():
    scenario = Scenario().given(
        added("jira", **STRICT),
        *facts(found("search"), changed("search", "as it was", "second"), waits("search", "second")),
    )

    scenario.when(lambda: ApproveTool("jira", "search", hash_of("search", "second"))).then(approved("search", "second"))
    assert scenario.tagged() == [TAGS]


def test_what_was_approved_already_writes_nothing():
    scenario = Scenario().given(
        added("jira", **STRICT),
        *facts(found("search"), changed("search", "as it was", "second"), waits("search", "second")),
        *facts(approved("search", "second")),
    )

    scenario.when(lambda: ApproveTool("jira", "search", hash_of("search", "second"))).then()
    scenario.when(lambda: ApproveTool("jira", "search", hash_of("search"))).then()


def test_nobody_approves_what_was_not_looked_at():
    scenario = Scenario().given(
        added("jira", **STRICT),
        *facts(
            found("search"),
            changed("search", "as it was", "second"),
            waits("search", "second"),
            changed("search", "as it was", "third"),
            waits("search", "third"),
        ),
    )
    second, third = hash_of("search", "second"), hash_of("search", "third")

    scenario.when(lambda: ApproveTool("jira", "search", second)).refused(DefinitionOutdated)
    scenario.when(lambda: ApproveTool("jira", "search", "f" * 64)).refused(DefinitionOutdated)
    scenario.when(lambda: ApproveTool("jira", "unheard-of", second)).refused(UnknownTool)
    scenario.when(lambda: ApproveTool("wiki", "search", second)).refused(UnknownTool)
    # who saw the newest may mean the older one: lists differ by user
    scenario.when(lambda: ApproveTool("jira", "search", second, newest=third)).then(approved("search", "second"))


# what may be used


def reason(model, tool, description="as it was"):
    capability = Capability("jira", "tools", tool, hash_of(tool, description) if description else "")
    return decide(model, Principal("bob"), capability, NOW, ALL).reason


def test_before_the_first_list_is_on_the_record_nothing_is_withheld():
    model = modelled(*member("bob"), added("jira", **STRICT))

    assert reason(model, "search") == "allowed"


def test_under_quarantine_only_what_was_accepted_may_be_used():
    before = (*member("bob"), added("jira", **STRICT), *facts(found("search")))
    model = modelled(*before)

    assert reason(model, "search") == "allowed"
    for unknown in (("search", "otherwise"), ("create", "as it was"), ("search", "")):
        assert reason(model, *unknown) == "quarantined", "also before it is on the record"

    pending = (*before, *facts(changed("search", "as it was", "otherwise"), waits("search", "otherwise")))
    assert reason(modelled(*pending), "search", "otherwise") == "quarantined"
    assert reason(modelled(*pending), "search") == "allowed", "for whoever has it as it was"
    assert reason(modelled(*pending, *facts(approved("search", "otherwise"))), "search", "otherwise") == "allowed"


def test_without_quarantine_changes_are_used_at_once():
    model = modelled(*member("bob"), added("jira"), *facts(found("search")))

    assert {reason(model, "search", "otherwise"), reason(model, "create")} == {"allowed"}


def test_what_a_storm_left_out_waits_whatever_the_policy_until_it_is_on_the_record():
    flood = ToolQuarantined(server_id="jira", seen=NOW, left_out=9)
    before = (*member("bob"), added("jira"), *facts(found("search"), flood))
    model = modelled(*before)

    assert reason(model, "search") == "allowed"
    assert reason(model, "new1") == "quarantined"
    later = modelled(*before, *facts(found("new1", seen=NOW + timedelta(hours=1))))
    assert (reason(later, "new1"), reason(later, "new2")) == ("allowed", "allowed")


def test_prompts_and_resources_are_not_withheld():
    model = modelled(*member("bob"), added("jira", **STRICT), *facts(found("search")))

    assert decide(model, Principal("bob"), Capability("jira", "prompts", "any"), NOW).allowed


def test_a_server_added_again_begins_anew():
    gone = (*member("bob"), added("jira", **STRICT), *facts(found("search")), removed("jira"))
    model = modelled(*gone, added("jira2", name="JIRA", **STRICT))

    assert "jira2" not in model.tools


def test_a_server_that_comes_back_holds_back_what_waited():
    before = (*member("bob"), added("jira", **STRICT), *facts(found("search")))
    waiting = facts(changed("search", "as it was", "other"), waits("search", "other"))
    model = modelled(*before, *waiting, removed("jira"), added("jira", **STRICT))

    assert reason(model, "search", "other") == "quarantined"
    assert reason(model, "search") == "allowed"


# the difference


def test_a_difference_is_said_field_by_field():
    before = {"name": "a", "description": "x", "inputSchema": {"properties": {"a/b": {"type": "string"}, "c": 1}}}
    after = {"name": "a", "inputSchema": {"properties": {"a/b": {"type": "number"}, "c": 1.0}}, "annotations": {}}

    assert [(one.field, one.before, one.after) for one in differences(before, after)] == [
        ("/description", "x", UNSET),
        ("/inputSchema/properties/a~1b/type", "string", "number"),
        ("/inputSchema/properties/c", 1, 1.0),
        ("/annotations", UNSET, {}),
    ]
    assert list(differences(before, before)) == []


def test_lists_are_compared_by_item_when_they_are_of_one_length():
    assert [one.field for one in differences({"r": ["a", "b"]}, {"r": ["a", "c"]})] == ["/r/1"]
    assert [one.field for one in differences({"r": ["a"]}, {"r": ["a", "c"]})] == ["/r"]
