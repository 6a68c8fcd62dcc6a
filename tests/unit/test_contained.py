"""What is said of the layers around a server's processes."""

import pytest

from mcphub.gateway.upstream.contained import Contained, expected, read, weakest


@pytest.mark.parametrize(
    ("layers", "level"),
    [
        (("process", "limits"), "limits"),
        (("process", "limits", "landlock-files"), "landlock"),
        (("process", "limits", "landlock-files", "landlock-signals", "landlock-strict"), "landlock-strict"),
        (("process", "limits", "account"), "account-limits"),
        (("process", "limits", "account", "landlock-files"), "account-landlock"),
    ],
)
def test_a_level_is_a_word_for_the_layers_that_hold(layers, level):
    assert Contained(layers).level == level


def test_of_several_processes_the_least_held_one_speaks_for_the_server():
    held, loose = Contained(("process", "limits", "account")), Contained(("process", "limits"), {"account": "why"})

    assert weakest([held, loose, held]) is loose
    assert weakest([]) is None


def test_what_no_launcher_wrote_says_nothing():
    assert read(b"") is None
    assert read(b"{") is None
    assert read(b'{"layers": ["process"], "missing": {"account": "why"}}') == Contained(
        ("process",), {"account": "why"}
    )


@pytest.mark.parametrize("mode", ["auto", "strict", "landlock", "limits"])
def test_what_is_to_be_expected_names_every_layer_once(mode):
    found = expected(mode)

    assert set(found.layers).isdisjoint(found.missing)
    assert {*found.layers, *found.missing} == {
        *("process", "limits", "no-new-privileges", "no-capabilities", "account"),
        *("landlock-files", "landlock-signals", "landlock-strict"),
    }
