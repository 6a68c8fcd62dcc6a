"""The read tables made anew: equal to those kept up, swapped in under readers, while commands go on."""

import os
import threading

import psycopg
import pytest

from mcphub.domain.errors import Refused
from mcphub.domain.events import UserPreferencesChanged
from mcphub.domain.users import RegisterUser, SetUserActive
from mcphub.projections.apart import RebuildFailed, compare_apart, rebuild_apart
from mcphub.projections.helper import FORK, Helper
from mcphub.projections.rebuild import check, compare, digests, rebuild
from mcphub.projections.tables import (
    REBUILD_LOCK,
    all_projections,
    apply_batch,
    ensure_schema,
    head,
    standings,
    work_in,
)
from tests.support.facts import grouped, issued, member, of_user, saved
from tests.support.ledger import telling
from tests.support.owners import running
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


@pytest.fixture
def teller(database):
    with telling(database) as made:
        yield made


@pytest.fixture
def db(database):
    with psycopg.connect(database.app_dsn, autocommit=True) as made:
        ensure_schema(made, all_projections())
        work_in(made, "read")
        yield made


def some_history(teller, users=30):
    for number in range(users):
        user = f"u{number}"
        teller.tell(*member(user), issued(user, f"k{number}"), grouped(user, f"g{number}", "jira"))
        teller.tell(saved(user, "jira", "TOKEN"), saved(user, "wiki", "TOKEN"))


def catch_up(db):
    while apply_batch(db, all_projections()) < head(db):
        pass


class Readers:
    """Threads that read without a pause, with prepared statements, as the API does."""

    QUERIES = (
        "select count(*) from read.users where active and user_id like %s",
        "select user_id, username from users where user_id like %s order by registered_at desc limit 5",
        "select keys.name from keys join users using (user_id) where user_id like %s limit 5",
        "select name, position from groups where user_id like %s order by position desc limit 5",
    )

    def __init__(self, dsn, number=3):
        self.errors, self.reads, self.fewest = [], 0, 10**9
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(dsn,)) for _ in range(number)]

    def _read(self, dsn):
        with psycopg.connect(dsn, autocommit=True, options="-c search_path=read,public") as db:
            while not self._stop.is_set():
                for query in self.QUERIES:
                    try:
                        row = db.execute(query, ("u%",), prepare=True).fetchone()
                    except psycopg.Error as error:
                        self.errors.append(repr(error))
                    else:
                        self.reads += 1
                        if query is self.QUERIES[0]:
                            self.fewest = min(self.fewest, row[0])

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(10)


def test_rebuilt_tables_equal_those_kept_up(teller, db):
    some_history(teller)
    odd = ' a\tb"c\\d\ne\\n,{null}\x01'
    teller.tell(grouped("u1", "odd", "jira", name=odd), of_user(UserPreferencesChanged, "u1", pinned_tools=[odd, ""]))
    catch_up(db)
    kept_up = digests(db, "read", all_projections())

    assert rebuild(db, all_projections()) == head(db)

    assert digests(db, "read", all_projections()) == kept_up
    assert {standing.position for standing in standings(db).values()} == {head(db)}
    assert check(db, all_projections()) == {}


def test_a_rebuild_makes_the_same_indexes_and_rights(teller, db, database):
    def shape():
        return db.execute(
            "select tablename, indexdef from pg_indexes where schemaname = 'read' order by tablename, indexname"
        ).fetchall()

    before = shape()
    rebuild(db, all_projections())

    assert shape() == before
    assert any("keys_user" in definition for _, definition in before)
    with psycopg.connect(database.ro_dsn, autocommit=True) as reader:
        assert reader.execute("select count(*) from read.users").fetchone() == (0,)


def test_a_table_somebody_changed_is_found_and_mended(teller, db):
    some_history(teller, 3)
    catch_up(db)
    db.execute("update users set admin = true where user_id = 'u1'")

    assert list(check(db, all_projections())) == ["users"]

    rebuild(db, all_projections())
    assert check(db, all_projections()) == {}


@pytest.mark.thorough
def test_swaps_under_readers_give_no_error_and_no_empty_table(teller, db, database):
    some_history(teller)
    catch_up(db)

    with Readers(database.app_dsn) as readers:
        for _ in range(15):
            rebuild(db, all_projections())

    assert readers.errors == []
    assert readers.reads > 100
    assert readers.fewest == 30


def test_a_rebuild_while_commands_run_ends_at_the_head(teller, db, database):
    some_history(teller)
    catch_up(db)
    done, stop = [], threading.Event()

    def command():
        number = 0
        while not stop.is_set():
            number += 1
            user = f"new{number}"
            done.append(teller.run(lambda u=user: RegisterUser(u, u, "sealed")).position)
            done.append(teller.run(lambda u=user: SetUserActive(u, False, by="ann")).position)

    def keep_up():
        with psycopg.connect(database.app_dsn, autocommit=True) as own:
            work_in(own, "read")
            while not stop.is_set():
                apply_batch(own, all_projections())

    threads = [threading.Thread(target=command), threading.Thread(target=keep_up)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        before = len(done)
        rebuild(db, all_projections())
        assert len(done) > before, "no command got through during a rebuild"
    stop.set()
    for thread in threads:
        thread.join(10)
    catch_up(db)

    assert done == sorted(done)
    assert check(db, all_projections()) == {}
    assert db.execute("select count(*) from users where user_id like 'new%'").fetchone()[0] == len(done) // 2


def test_a_long_read_of_the_old_tables_makes_the_swap_wait_and_nobody_fail(teller, db, database):
    some_history(teller, 3)
    catch_up(db)
    with psycopg.connect(database.app_dsn) as reader:
        reader.execute("select count(*) from read.users")
        rebuilding = threading.Thread(target=rebuild_apart, args=(database.app_dsn,))
        rebuilding.start()
        rebuilding.join(1.5)
        with psycopg.connect(database.app_dsn, autocommit=True) as other:
            assert other.execute("select count(*) from read.users").fetchone() == (3,)
        reader.commit()
        rebuilding.join(20)
        assert not rebuilding.is_alive()

    assert db.execute("select count(*) from pg_namespace where nspname in ('read_old', 'read_next')").fetchone() == (0,)


def test_only_one_rebuild_runs_at_a_time(teller, db, database):
    with psycopg.connect(database.app_dsn, autocommit=True) as other:
        other.execute("select pg_advisory_lock(%s)", (REBUILD_LOCK,))

        with pytest.raises(RuntimeError, match="running already"):
            rebuild(db, all_projections())


def test_a_rebuild_that_fails_changes_nothing_and_the_next_one_works(teller, db):
    some_history(teller, 3)
    catch_up(db)
    before = digests(db, "read", all_projections())

    def broken(position, upto):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        rebuild(db, all_projections(), broken)

    assert digests(db, "read", all_projections()) == before
    assert apply_batch(db, all_projections()) == head(db)
    rebuild(db, all_projections())
    assert digests(db, "read", all_projections()) == before


def test_tables_are_compared_at_one_position_while_commands_go_on(teller, db, database):
    some_history(teller, 3)
    catch_up(db)
    stop = threading.Event()

    def go_on():
        with psycopg.connect(database.app_dsn, autocommit=True) as own:
            work_in(own, "read")
            while not stop.is_set():
                some_history(teller, 1)
                apply_batch(own, all_projections())

    writer = threading.Thread(target=go_on)
    writer.start()
    try:
        found = [compare(db, all_projections()) for _ in range(3)]
    finally:
        stop.set()
        writer.join()

    assert [one.different for one in found] == [{}, {}, {}]
    assert found[0].position < found[1].position < found[2].position <= head(db)


def test_one_comparison_at_a_time_and_none_beside_a_rebuild(teller, db, database):
    seen = []

    def meanwhile(*_):
        with psycopg.connect(database.app_dsn, autocommit=True) as other:
            for work in (compare, rebuild):
                with pytest.raises(RuntimeError, match="running already"):
                    work(other, all_projections())
        seen.append(True)

    some_history(teller, 1)
    compare(db, all_projections(), meanwhile)
    rebuild(db, all_projections(), meanwhile)

    assert len(seen) >= 2
    assert compare_apart(database.app_dsn).different == {}


def test_a_rebuild_in_a_process_of_its_own_says_how_far_it_is(teller, db, database):
    some_history(teller)
    said = []

    position = rebuild_apart(database.app_dsn, lambda *each: said.append(each))

    assert position == head(db) == 180
    assert all(0 <= done <= upto for done, upto in said)
    assert check(db, all_projections()) == {}


def test_a_rebuild_in_a_process_of_its_own_tells_why_it_failed_and_no_secret(database):
    with pytest.raises(RebuildFailed) as caught:
        rebuild_apart(database.app_dsn.replace("password=", "password=k4n4ry"))

    assert "password authentication failed" in str(caught.value)
    assert "k4n4ry" not in str(caught.value)


def test_the_tables_folded_beside_are_those_of_one_process(teller, db, database):
    some_history(teller)
    catch_up(db)
    kept_up = digests(db, "read", all_projections())

    rebuild(db, all_projections(), beside=Helper(database.app_dsn).fold)

    assert digests(db, "read", all_projections()) == kept_up


def test_a_helper_that_fails_or_is_gone_fails_the_rebuild_and_changes_nothing(teller, db, database):
    some_history(teller, 3)
    catch_up(db)
    before = digests(db, "read", all_projections())
    locked_out = Helper(database.app_dsn.replace("password=", "password=k4n4ry"))
    gone = Helper(database.app_dsn)
    gone.end()

    with pytest.raises(RuntimeError, match="password authentication failed") as told:
        rebuild(db, all_projections(), beside=locked_out.fold)
    with pytest.raises(RuntimeError, match="was ended"):
        rebuild(db, all_projections(), beside=gone.fold)

    assert "k4n4ry" not in str(told.value)
    assert digests(db, "read", all_projections()) == before
    assert check(db, all_projections()) == {}


def test_a_helper_ends_with_the_process_it_works_for(database):
    here, there = FORK.Pipe()

    def killed():
        there.send(Helper(database.app_dsn)._process.pid)
        os._exit(1)

    rebuilding = FORK.Process(target=killed)
    rebuilding.start()
    helper = here.recv()
    rebuilding.join()

    eventually(lambda: not running(helper), within=10, what="the helper has ended")


def test_a_progress_that_raises_ends_the_process(teller, db, database):
    """The hub stops: whatever the process is at, it goes."""
    with psycopg.connect(database.app_dsn) as reader:
        reader.execute("select from tracking for update")  # the swap waits for this

        def stop(position, upto):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            rebuild_apart(database.app_dsn, stop)

    db.execute("select pg_advisory_lock(%(lock)s), pg_advisory_unlock(%(lock)s)", {"lock": REBUILD_LOCK})  # it is gone
    assert check(db, all_projections()) == {}


def test_a_refused_command_leaves_no_trace_in_any_table(teller, db):
    some_history(teller, 2)
    catch_up(db)
    before = (head(db), digests(db, "read", all_projections()))

    with pytest.raises(Refused):
        teller.run(lambda: SetUserActive("nobody", True, by="ann"))

    catch_up(db)
    assert (head(db), digests(db, "read", all_projections())) == before
