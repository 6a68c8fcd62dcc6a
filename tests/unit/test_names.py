import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcphub.domain.names import MOST_EXPOSED, exposed_name, good_slug, slug_for, tool_map


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("GitHub PR MCP (ACA)", "github-pr-mcp-aca"),
        ("legacy box (old)", "legacy-box-old"),
        ("지라", "jira"),
        ("한글", "hangeul"),
        ("위키 검색", "wiki-geomsaek"),
        ("깃허브 이슈", "githeobeu-isyu"),
        ("꽃집", "kkotjip"),
        ("별빛", "byeolbit"),
        ("a__b", "a-b"),
        ("--A--", "a"),
        ("x" * 30, "x" * 24),
        ("a" * 23 + "-b", "a" * 23),
    ],
)
def test_a_slug_is_made_of_the_name(name, slug):
    assert slug_for(name, set()) == slug


def test_a_name_without_a_letter_gets_one_of_its_hash():
    assert slug_for("日本", set()) == "scf2abf"
    assert slug_for("!!!", set()) != slug_for("???", set())


def test_a_taken_slug_gets_four_digits_and_the_same_ones_each_time():
    assert slug_for("Jira", {"jira"}) == "jira-8b9b"
    assert slug_for("Jira", {"jira"}) == slug_for("Jira", {"jira"})
    assert slug_for("x" * 30, {"x" * 24}) == "x" * 19 + "-666a"
    assert slug_for("jira", {"jira"}) != slug_for("Jira", {"jira"})


def test_the_next_four_digits_are_used_when_those_are_taken_too():
    first = slug_for("Jira", {"jira"})

    second = slug_for("Jira", {"jira", first})

    assert second.startswith("jira-")
    assert second != first


@given(st.text(max_size=40))
def test_every_name_has_a_slug_an_administrator_could_have_written(name):
    slug = slug_for(name, set())

    assert good_slug(slug)
    assert good_slug(slug_for(name, {slug}))


@pytest.mark.parametrize("slug", ["", "A", "a__b", "a--b", "-a", "a-", "a b", "지라", "x" * 25])
def test_what_is_no_slug(slug):
    assert not good_slug(slug)


def test_a_tool_carries_its_servers_slug():
    assert exposed_name("jira", "get_issue") == "jira__get_issue"
    assert exposed_name("jira", "get.issue/v2") == "jira__get_issue_v2"


def test_a_long_name_is_cut_to_48_with_a_hash_of_the_whole():
    one, other = exposed_name("jira", "t" * 80), exposed_name("jira", "t" * 81)

    assert len(one) == len(other) == 48
    assert one != other
    assert exposed_name("j", "t" * 45) == "j__" + "t" * 45


def test_the_map_leads_back_to_the_upstreams_own_names():
    assert tool_map("jira", ["get_issue", "get.issue2", "한글"]) == {
        "jira__get_issue": "get_issue",
        "jira__get_issue2": "get.issue2",
        "jira____": "한글",
    }


def test_of_names_that_would_look_alike_the_changed_ones_get_a_hash():
    made = tool_map("jira", ["a.b", "a_b", "a/b"])

    assert made["jira__a_b"] == "a_b"
    assert sorted(made.values()) == ["a.b", "a/b", "a_b"]
    assert all(re.fullmatch(r"jira__a_b(_[0-9a-f]{6})?", exposed) for exposed in made)


def test_two_changed_names_that_look_alike_both_get_a_hash_so_that_neither_depends_on_the_other():
    assert "jira__a_b" not in tool_map("jira", ["a.b", "a/b"])


NAMES = st.lists(st.text("aA._/ 가", min_size=1, max_size=60), max_size=12)


@given(NAMES, st.randoms())
def test_the_map_is_complete_stable_and_within_bounds(names, random):
    made = tool_map("s-1", names)
    shuffled = list(names)
    random.shuffle(shuffled)

    assert sorted(made.values()) == sorted(set(names))
    assert all(re.fullmatch(r"s-1__[A-Za-z0-9_-]+", name) and len(name) <= MOST_EXPOSED for name in made)
    assert tool_map("s-1", shuffled) == made


@given(st.text("ab-_", min_size=1, max_size=50), st.text("ab-_", min_size=1, max_size=50))
def test_tools_of_different_servers_never_meet(one, other):
    assert exposed_name("a", one) != exposed_name("a-b", other)
