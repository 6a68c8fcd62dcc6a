"""What is meant by a word on the command line: a server, or a tool of one."""

import pytest

from mcphub.cli.why import _key, _meant
from tests.support.facts import added, issued, member, modelled, removed

MODEL = modelled(
    *member("bob"), issued("bob", "k1", name="laptop"), added("jira", name="Jira of ours"), added("old"), removed("old")
)


@pytest.mark.parametrize(
    ("typed", "server", "tool"),
    [
        ("jira", "jira", ""),
        ("Jira of ours", "Jira of ours", ""),
        ("OLD", "OLD", ""),
        ("jira__search", "jira", "jira__search"),
        ("jira/search__all", "jira", "search__all"),
        ("nothing__x", "nothing__x", ""),
    ],
)
def test_a_word_means_a_server_or_a_tool_as_clients_list_it(typed, server, tool):
    assert _meant(MODEL, typed) == (server, tool)


def test_a_key_is_meant_by_its_id_or_its_name():
    assert [_key(MODEL, "bob", name) for name in ("k1", "laptop", "", "other")] == ["k1", "k1", "", "other"]
