"""What was given to a server in confidence is found in its words, in the spellings a server would use."""

import base64
import json

import pytest

from mcphub.gateway.telling import nothing, telling

SECRET = 'tok"en\\of/ann'


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        json.dumps(SECRET),
        base64.b64encode(SECRET.encode()).decode(),
        "tok%22en%5Cof%2Fann",
    ],
)
def test_a_value_is_found_however_it_is_spelled(spelled):
    assert telling(lambda: [SECRET])(f'{{"description":"for {spelled}"}}')


def test_other_words_and_short_values_are_nobodys_secret():
    tells = telling(lambda: [SECRET, "abc", ""])

    assert not tells('{"description":"abc of the token"}')
    assert not nothing(SECRET)


def test_when_it_cannot_be_said_what_was_given_nothing_is_kept():
    def changed_just_now():
        raise RuntimeError

    assert telling(changed_just_now)("anything")
