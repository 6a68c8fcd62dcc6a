"""The timeline's ways to its facts: whichever index leads there, they are those that fit, each once and in order."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from eventsourcing.dcb.domain import Tagged

from mcphub.domain.actor import Meta, acting
from mcphub.domain.codec import JsonMapper, encode
from mcphub.domain.events import EVENT_TYPES
from mcphub.postgres.pool import read_pool
from mcphub.projections import timeline as asking
from mcphub.projections.tables import all_projections, apply_batch, ensure_schema, head, read_facts, work_in
from mcphub.projections.timeline import ACTOR, FOR_ANOTHER, SOURCE, TEXTS, TRACE, USER, Choice, Place, Timeline, Wanted
from tests.support.facts import added, admin, grouped, issued, member, saved
from tests.support.ledger import ANYTHING, telling

pytestmark = pytest.mark.slow


def told(teller, meta, *facts):
    mapper = JsonMapper()
    with acting(meta):
        teller.recorder.append(
            [mapper.to_dcb_event(Tagged(tags=tags, decision=event)) for event, tags in facts], ANYTHING
        )


SOURCES = ("ui", "api", "mcp", "cli", "ui")


@pytest.fixture
def facts(database):
    """Some sixty facts: what people do themselves, and what somebody else does about them, by several ways."""
    with telling(database) as teller:
        for number in range(10):
            user, request = f"u{number}", f"r{number}"
            told(teller, Meta(actor=user, source=SOURCES[number % 5], request_id=request), *member(user))
            own = saved(user, "jira", "TOKEN"), issued(user, user)
            told(teller, Meta(actor="boss", source=SOURCES[number // 2], request_id=request), *own)
        told(
            teller, Meta(actor="boss", source="cli"), *admin("boss"), added("jira"), grouped("u1", "g1", name="needle")
        )
    with psycopg.connect(database.app_dsn, autocommit=True) as db:
        ensure_schema(db, all_projections())
        work_in(db, "read")
        while apply_batch(db, all_projections()) < head(db):
            pass
        yield read_facts(db, 0)


EVENT_MEMBERS = sorted({name for type_ in EVENT_TYPES.values() for name in type_.__struct_fields__})


def one_of(*values):
    return Choice(tuple(values))


def about(fact):
    return next((tag[5:] for tag in fact.tags if tag.startswith("user:")), "")


def topic(fact):
    return type(fact.event).__name__


QUESTIONS = [
    (Wanted(), lambda fact: True),
    (Wanted(own="u2"), lambda fact: "u2" in (about(fact), fact.meta.actor)),
    (Wanted(own="boss"), lambda fact: "boss" in (about(fact), fact.meta.actor)),
    (Wanted(actor=one_of("u2", "boss")), lambda fact: fact.meta.actor in ("u2", "boss")),
    (Wanted(actor=Choice(None, ("boss",))), lambda fact: fact.meta.actor != "boss"),
    (Wanted(user=one_of("u2"), actor=one_of("boss")), lambda fact: (about(fact), fact.meta.actor) == ("u2", "boss")),
    (Wanted(type=one_of("KeyIssued", "ServerAdded")), lambda fact: topic(fact) in ("KeyIssued", "ServerAdded")),
    (Wanted(type=one_of("User*", "-")), lambda fact: topic(fact).startswith("User")),
    (Wanted(category=one_of("keys"), own="u3"), lambda fact: topic(fact) == "KeyIssued" and about(fact) == "u3"),
    (Wanted(type=one_of("NoSuchThing")), lambda fact: False),
    (Wanted(source=one_of("api")), lambda fact: fact.meta.source == "api"),
    (Wanted(source=one_of("cli", "mcp"), own="u4"),
     lambda fact: fact.meta.source in ("cli", "mcp") and "u4" in (about(fact), fact.meta.actor)),
    (Wanted(source=Choice(None, ("ui",))), lambda fact: fact.meta.source != "ui"),
    (Wanted(source=one_of()), lambda fact: False),
    (Wanted(text="KEYISS", named=("u1",)),
     lambda fact: topic(fact) == "KeyIssued" or "u1" in (about(fact), fact.meta.actor)),
    (Wanted(text="eedl"), lambda fact: topic(fact) == "GroupCreated"),
    (Wanted(text="x" * 9, tagged=("server:jira",)), lambda fact: "server:jira" in fact.tags),
    (Wanted(text="nothing has it"), lambda fact: False),
    (Wanted(text="ne%le"), lambda fact: False),
    (Wanted(text="dn"), lambda fact: False),  # letters of it, elsewhere
    (Wanted(text="f"), lambda fact: topic(fact) == "KeyIssued"),  # in its last letters
    (Wanted(text="%"), lambda fact: False),
    (Wanted(trace=one_of("r3")), lambda fact: fact.meta.request_id == "r3"),
]  # fmt: skip


async def test_a_page_holds_the_facts_that_fit_whichever_way_leads_to_them(facts, database, monkeypatch):
    monkeypatch.setattr(asking, "FIRST_REACH", 5)
    assert len(facts) > 40
    begin, end = facts[0].at, facts[-1].at + timedelta(microseconds=1)
    async with read_pool(database.app_dsn, search_path="read, public") as pool:
        timeline = Timeline(pool)
        for wanted, fits in QUESTIONS:
            expected = [fact.position for fact in reversed(facts) if fits(fact)]
            found, before = [], None
            while page := await timeline.page(wanted, before=before, size=4):
                found += [item.position for item in page]
                before = Place(found[-1])
            assert found == expected, wanted
            newer = await timeline.after(wanted, Place(10), 100)
            assert [item.position for item in newer[0]] == [one for one in reversed(expected) if one > 10], wanted
            counted = await timeline.counts(wanted, begin, end, 3)
            assert counted.total() == len(expected), wanted


async def test_a_span_of_time_holds_the_facts_recorded_in_it(facts, database):
    since, until = facts[11].at, facts[25].at
    expected = Counter(fact.position for fact in facts if since <= fact.at < until)
    assert len(expected) > 10
    async with read_pool(database.app_dsn, search_path="read, public") as pool:
        found = await Timeline(pool).page(Wanted(since=since, until=until), before=None, size=100)

        nothing = await Timeline(pool).page(Wanted(until=datetime.min.replace(tzinfo=UTC)), before=None, size=100)

    assert Counter(item.position for item in found) == expected
    assert nothing == []


async def test_facts_are_counted_in_the_part_of_a_span_they_were_recorded_in(facts, database):
    since, bins = facts[0].at, 7
    until = facts[-1].at + timedelta(microseconds=1)
    step = (until - since) / bins
    expected = Counter(min((fact.at - since) // step, bins - 1) for fact in facts)
    async with read_pool(database.app_dsn, search_path="read, public") as pool:
        timeline = Timeline(pool)
        found = await timeline.counts(Wanted(kind="fact"), since, until, bins)
        in_one = await timeline.counts(Wanted(kind="fact"), since, until, 1)

    by_bin: Counter[int] = Counter()
    for (bin_, _), count in found.items():
        by_bin[bin_] += count
    assert by_bin == expected
    assert in_one.total() == len(facts)


@pytest.mark.parametrize(
    ("index", "condition"),
    [
        ("ledger_user", f"{USER} = 'x'"),
        ("ledger_actor", f"{ACTOR} = 'x' and {FOR_ANOTHER}"),
        ("ledger_source", f"{SOURCE} = 'cli'"),
        ("ledger_trace", f"({TRACE}) = 'x'"),
        ("ledger_type", "ledger.type = 'x'"),
        ("ledger_texts", "public.text_pairs(public.fact_texts(ledger.data)) @> public.text_pairs('xy')"),
    ],
)
def test_the_ledger_has_an_index_for_each_way(database, index, condition):
    """Said as the index has it; said otherwise, the whole ledger is looked through."""
    with psycopg.connect(database.app_dsn) as db:
        db.execute("set enable_seqscan = off")
        plan = "\n".join(row[0] for row in db.execute(f"explain select position from ledger where {condition}"))

    assert f" {index} " in plan


def test_the_index_of_texts_holds_what_texts_are_looked_for_in(database):
    with psycopg.connect(database.app_dsn) as db:
        for member in EVENT_MEMBERS:
            (found,) = db.execute("select fact_texts(%s::json)", (encode({member: "Ein Wort"}).decode(),)).fetchone()
            assert (found == "Ein Wort") == (member in TEXTS), member
        (pairs,) = db.execute("select text_pairs(%s)", ("도구 Xy",)).fetchone()
        assert pairs == ["도구", "구 ", " x", "xy"]


def test_what_has_no_texts_that_can_be_read_is_recorded_all_the_same(database):
    with psycopg.connect(database.app_dsn) as db:
        (found,) = db.execute("""select fact_texts('{"name": "half of a \\ud83d", "tool": "x"}')""").fetchone()

    assert found == ""
