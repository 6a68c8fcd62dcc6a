"""The audit timeline can say each event, and each row of the access log, in both languages."""

import re
from pathlib import Path

import pytest

from mcphub.domain.events import EVENT_TYPES
from mcphub.projections.categories import CATEGORY_OF
from mcphub.projections.timeline import CATEGORIES

TEXTS = Path(__file__).parents[2] / "frontend" / "src" / "i18n"


def block(language: str, name: str) -> set[str]:
    text = (TEXTS / language / "audit.ts").read_text()
    (inside,) = re.findall(rf"^  {name}: \{{\n(.*?)^  \}},", text, re.S | re.M)
    return set(re.findall(r'^    "?([\w-]+)"?:', inside, re.M))


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_event_has_a_sentence_and_no_sentence_is_of_none(language: str) -> None:
    assert block(language, "sentences") == set(EVENT_TYPES)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_row_of_the_access_log_has_a_sentence(language: str) -> None:
    assert block(language, "access") - {"sign_in_failed"} == set(CATEGORIES)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_category_has_a_name(language: str) -> None:
    assert {*CATEGORY_OF.values(), *CATEGORIES.values()} - block(language, "categories") == set()


def test_every_event_type_has_a_category() -> None:
    assert set(CATEGORY_OF) == set(EVENT_TYPES)
    assert "other" not in CATEGORY_OF.values()
