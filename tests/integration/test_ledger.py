import threading

import psycopg
import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem
from eventsourcing.persistence import IntegrityError

from mcphub.domain.codec import LedgerEvent
from mcphub.postgres.ledger import Ledger, LedgerUnavailable, verify
from mcphub.postgres.pool import command_pool
from mcphub.postgres.transfer import ImportRefused, export, import_lines


@pytest.fixture
def ledger(database):
    with command_pool(database.app_dsn) as pool:
        yield Ledger(pool)


def event(type_="Happened", tags=("user:bob",), data=b'{"type":"Happened"}'):
    return LedgerEvent(type=type_, data=data, tags=list(tags), meta=b'{"actor":"test"}')


def condition(*, types=(), tags=("user:bob",), after=None):
    return DCBAppendCondition(fail_if_events_match=DCBQuery([DCBQueryItem(list(types), list(tags))]), after=after)


def checked(dsn):
    with psycopg.connect(dsn, autocommit=True) as db:
        return verify(db)


def test_positions_are_gapless_and_one_append_is_one_range(ledger):
    assert ledger.append([event(), event()], condition()) == 2
    assert ledger.append([event(tags=["user:ann"])], condition(tags=["user:ann"])) == 3

    assert [row.position for row in ledger.read()] == [1, 2, 3]


def test_a_newer_event_in_the_boundary_refuses_the_append(ledger):
    ledger.append([event()], condition())

    with pytest.raises(IntegrityError):
        ledger.append([event()], condition(after=0))
    assert ledger.append([event()], condition(after=1)) == 2
    assert ledger.append([event()], condition(types=["Other"], after=0)) == 3


def test_an_append_without_a_boundary_is_refused(ledger):
    with pytest.raises(ValueError, match="consistency boundary"):
        ledger.append([event()])
    with pytest.raises(ValueError, match="consistency boundary"):
        ledger.append([event()], DCBAppendCondition(fail_if_events_match=DCBQuery([]), after=None))


def test_what_was_read_is_what_was_written(ledger):
    data = '{"type":"Happened","name":"지라 \\u0000 1.50"}'.encode()
    ledger.append([event(tags=["a:1", "b:2"], data=data)], condition())

    (row,) = ledger.read(DCBQuery([DCBQueryItem(["Happened"], ["b:2"])]))
    assert row.event.data == data
    assert row.event.tags == ["a:1", "b:2"]
    assert row.event.meta == b'{"actor":"test"}'


@pytest.mark.parametrize(
    "statement",
    [
        "update ledger set type = 'Forged'",
        "delete from ledger",
        "truncate ledger",
        "insert into ledger select 99, gen_random_uuid(), 'Forged', '{}', now(), '{}', '{}', ''",
        "update ledger_head set position = 0",
    ],
)
def test_the_hubs_role_can_only_append(ledger, database, statement):
    ledger.append([event()], condition())

    with psycopg.connect(database.app_dsn) as db, pytest.raises(psycopg.errors.InsufficientPrivilege):
        db.execute(statement)


def test_even_the_owner_meets_the_trigger(ledger, database):
    ledger.append([event()], condition())

    with psycopg.connect(database.owner_dsn) as db, pytest.raises(psycopg.errors.RaiseException, match="append-only"):
        db.execute("update ledger set type = 'Forged'")


def test_one_changed_byte_is_found_at_its_position(ledger, database):
    for _ in range(5):
        ledger.append([event()], condition(after=99))
    assert checked(database.app_dsn).broken_at is None

    with psycopg.connect(database.owner_dsn) as db:
        db.execute("alter table ledger disable trigger ledger_append_only")
        db.execute('update ledger set data = \'{"type":"Happenee"}\' where position = 3')

    found = checked(database.app_dsn)
    assert found.broken_at == 3
    assert "hash" in found.why


def test_a_missing_row_and_a_forged_head_are_found(ledger, database):
    for _ in range(4):
        ledger.append([event()], condition(after=99))
    with psycopg.connect(database.owner_dsn) as db:
        db.execute("alter table ledger disable trigger ledger_append_only")
        db.execute("delete from ledger where position = 4")
    assert checked(database.app_dsn).why == "the head does not agree with the last row"

    with psycopg.connect(database.owner_dsn) as db:
        db.execute("delete from ledger where position = 2")
    assert checked(database.app_dsn).broken_at == 2


def test_concurrent_appends_commit_in_the_order_of_their_positions(ledger, database):
    """A slow append held open while a fast one arrives: the fast one waits, so no reader ever skips the slow one."""
    with psycopg.connect(database.app_dsn) as slow:
        slow.execute(
            'select ledger_append(\'[{"types":[],"tags":["x"]}]\', null, array[gen_random_uuid()], array[\'Slow\'],'
            " array['x'], array['{}'], array['{}'])"
        )
        fast = threading.Thread(target=lambda: ledger.append([event()], condition()))
        fast.start()
        fast.join(0.3)
        assert fast.is_alive()
        assert list(ledger.read()) == []
        slow.commit()
    fast.join(5)

    assert [(row.position, row.event.type) for row in ledger.read()] == [(1, "Slow"), (2, "Happened")]


def test_time_never_runs_backwards(ledger, database):
    for _ in range(3):
        ledger.append([event()], condition(after=99))
    with psycopg.connect(database.app_dsn) as db:
        times = [row[0] for row in db.execute("select recorded_at from ledger order by position")]

    assert times == sorted(times)


def test_a_ledger_out_of_reach_says_so(database):
    pool = command_pool(database.app_dsn)
    with pool:
        ledger = Ledger(pool)
    with pytest.raises(LedgerUnavailable):
        ledger.append([event()], condition())


REGISTERED = b'{"type":"UserActivated","user_id":"bob"}'


def test_an_export_continues_an_empty_ledger_byte_for_byte(ledger, database, other_database):
    for _ in range(3):
        ledger.append([event("UserActivated", data=REGISTERED)], condition(after=99))
    with psycopg.connect(database.ro_dsn, autocommit=True) as db:
        lines = list(export(db))

    with psycopg.connect(other_database.owner_dsn) as db:
        assert import_lines(db, lines) == 3

    with psycopg.connect(other_database.app_dsn, autocommit=True) as db:
        assert list(export(db)) == lines
    assert checked(other_database.app_dsn) == checked(database.app_dsn)
    with command_pool(other_database.app_dsn) as pool:
        assert Ledger(pool).append([event()], condition(after=99)) == 4
    assert checked(other_database.app_dsn).broken_at is None


def test_an_import_that_does_not_fit_writes_nothing(ledger, database, other_database):
    for _ in range(3):
        ledger.append([event("UserActivated", data=REGISTERED)], condition(after=99))
    with psycopg.connect(database.ro_dsn, autocommit=True) as db:
        lines = list(export(db))

    for bad, why in (
        (lines[1:], "does not follow"),
        ([lines[0], lines[1].replace(b'"bob"', b'"eve"'), lines[2]], "does not hash"),
        ([lines[0].replace(b"UserActivated", b"UserBribed")], "not an event this hub knows"),
    ):
        with psycopg.connect(other_database.owner_dsn) as db, pytest.raises(ImportRefused, match=why):
            import_lines(db, bad)
    assert checked(other_database.app_dsn).events == 0
