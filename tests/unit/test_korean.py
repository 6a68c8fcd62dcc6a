"""Texts of problems in Korean."""

import re
from pathlib import Path

import pytest

from mcphub.api.korean import NAMES, PLACES, PROBLEMS, place_in_korean, prefers_korean, problem_in_korean
from mcphub.domain.errors import Refused
from tests.support.problem_codes import SRC, of_findings, of_problems

ANSWERED = re.compile(r'Problem\(\s*\d{3},\s*"(\w+)"')  # codes of whole answers; domain/errors.py has the others


def refusals(kind: type[Refused] = Refused) -> set[str]:
    below = kind.__subclasses__()
    return {one.code for one in below}.union(*map(refusals, below))


def test_every_code_has_a_sentence_and_every_sentence_a_code() -> None:
    codes = of_problems() | of_findings()

    assert PROBLEMS.keys() | PLACES.keys() | NAMES == codes


def test_what_ends_a_whole_request_says_what_to_do() -> None:
    sources = "".join(file.read_text(encoding="utf-8") for file in Path(SRC / "api").rglob("*.py"))
    answered = set(ANSWERED.findall(sources)) | refusals()

    assert len(answered) > 60
    assert answered - {Refused.code} <= PROBLEMS.keys()
    assert all(what.endswith(".") and how.endswith(".") for what, how in PROBLEMS.values())


@pytest.mark.parametrize(
    ("header", "korean"),
    [
        ("", False),
        ("ko", True),
        ("ko-KR,ko;q=0.9,en-US;q=0.8,en;q=0.7", True),
        ("en-US,en;q=0.9,ko;q=0.8", False),
        ("en;q=0.1, ko;q=0.2", True),
        ("fr, ko;q=0.5", True),
        ("*", False),
        ("ko;q=0, en", False),
        ("ko;q=many", False),
        ("kok", False),
        (";;,q=,ko ; q=1", True),
    ],
)
def test_the_language_is_the_one_that_is_preferred(header: str, korean: bool) -> None:
    assert prefers_korean(header) is korean


def test_what_only_the_english_text_tells_stays_in_it() -> None:
    assert problem_in_korean("invalid_request", "The address holds NUL.", "…")[1].endswith("(The address holds NUL.)")
    assert place_in_korean("invalid_value", "Expected `int`, got `str`") == (
        "쓸 수 없는 값입니다. (Expected `int`, got `str`)"
    )
    assert place_in_korean("variable_missing", "USER_TOKEN") == "USER_TOKEN"
