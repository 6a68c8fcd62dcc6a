"""The reference pages say what events, tables and the API are now, in both languages."""

import json

import pytest

from mcphub.domain.events import EVENT_TYPES
from tests.support.guides import GUIDES, ROOT, reference, text_of


def test_the_pages_are_those_of_this_code_and_no_words_are_missing_or_left_over() -> None:
    words = reference().Words()
    stale = [str(path) for path, text in reference().pages(words).items() if text_of(GUIDES / path) != text]

    assert (stale, words.missing, words.unused()) == ([], [], []), (
        "./hub fix; what it asks for goes into docs/words.toml"
    )


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_event_has_its_sentence_its_fields_and_its_version(language: str) -> None:
    page = text_of(GUIDES / language / "events.md")
    fields = reference().fields_of(reference().events)

    for name, cls in EVENT_TYPES.items():
        part = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        assert part.strip().startswith("_"), name
        assert [field.name for field in fields[name]] == [
            line.split("`")[1] for line in part.splitlines() if line.startswith("| `")
        ], name
        assert set(cls.__struct_fields__) == {field.name for field in fields[name]}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_every_operation_stands_in_the_page(language: str) -> None:
    page = text_of(GUIDES / language / "api.md")
    described = json.loads((ROOT / "frontend" / "openapi.json").read_text())

    missing = [path for path in described["paths"] if f" {path}\n" not in page and f"`{path}`" not in page]

    assert missing == []


def test_columns_follow_what_migrations_add_and_drop() -> None:
    found: dict[str, dict[str, str]] = {}

    reference()._follow(
        found,
        """
create table thing (
    -- a comment
    id    uuid   primary key,
    sizes real[] not null,  -- another
    primary key (id)
);
create unlogged table copy (like thing);
alter table copy drop column id;
alter table thing add column at timestamptz not null default now();
alter table thing alter column at drop default;
""",
    )

    assert found == {"thing": {"id": "uuid", "sizes": "real[]", "at": "timestamptz"}, "copy": {"sizes": "real[]"}}


def test_a_dropped_table_is_not_passed_over() -> None:
    with pytest.raises(NotImplementedError):
        reference()._follow({}, "drop table thing;")
