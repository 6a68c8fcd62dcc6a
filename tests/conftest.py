"""Fixtures shared by every tier: homes, and databases on an embedded PostgreSQL started by the hub's own supervisor.

`database` is what most tests want: a fresh database with the schema of today, copied from a template. `owners` is for
tests that kill: it runs the supervisor in a process of its own, as the present user and as an ordinary one.
"""

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.migrate import migrate, migrations_folder
from tests.support.emptied import Emptied
from tests.support.owners import Owners, python_for

TEMPLATE = "mcphub_template"
# Durability is what the fault tests are about; they start servers of their own.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
NUMBERS = count(1)
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Database:
    """One database of one test. Its roles are those of a real hub."""

    server: EmbeddedPostgres
    name: str

    @property
    def owner_dsn(self) -> str:
        return self.server.dsn("mcphub_owner", self.name)

    @property
    def app_dsn(self) -> str:
        return self.server.dsn("mcphub_app", self.name)

    @property
    def ro_dsn(self) -> str:
        return self.server.dsn("mcphub_ro", self.name)

    @property
    def admin_dsn(self) -> str:
        """The superuser, for what no hub may do: cutting connections, forging rows."""
        return self.server.dsn("postgres", self.name)


@pytest.fixture(scope="session")
def make_home() -> Iterator[Callable[[], Path]]:
    """Makes homes of hubs, removed at the end.

    Not `tmp_path`: that lies below a directory which, for root, the service user cannot pass, and its long names
    leave no room for a socket.
    """
    made: list[Path] = []

    def make() -> Path:
        made.append(Path(tempfile.mkdtemp(prefix="mcphub-")))
        return made[-1]

    yield make
    for home in made:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def home(make_home: Callable[[], Path]) -> Path:
    """An empty home of a hub."""
    return make_home()


@pytest.fixture(scope="session")
def postgres(make_home: Callable[[], Path]) -> Iterator[EmbeddedPostgres]:
    """The server of this test run."""
    server = EmbeddedPostgres(make_home(), extra_settings=FAST)
    server.open()
    yield server
    server.close()


@pytest.fixture(scope="session")
def make_database(postgres: EmbeddedPostgres) -> Callable[..., Database]:
    """Makes databases from another one by name; `template0` for an empty one without extensions.

    The caller drops them, or leaves that to the end of the server.
    """

    def make(template: str = "mcphub") -> Database:
        name = f"test_{os.getpid()}_{next(NUMBERS)}"
        create_database(postgres, name, template)
        return Database(postgres, name)

    return make


@pytest.fixture(scope="session")
def template(postgres: EmbeddedPostgres) -> str:
    """Name of a database with every migration applied; nobody may connect to it."""
    create_database(postgres, TEMPLATE, "mcphub")
    migrate(postgres.dsn("mcphub_owner", TEMPLATE), migrations_folder())
    return TEMPLATE


@pytest.fixture(scope="session")
def lend(make_database: Callable[..., Database], template: str) -> Callable[[], AbstractContextManager[Database]]:
    """Lends databases with today's schema and no rows of anybody else. One that is as good as new is lent again."""
    spare: list[Database] = []
    new = make_database(template)
    emptied = Emptied(new.admin_dsn)
    spare.append(new)

    @contextmanager
    def lent() -> Iterator[Database]:
        made = spare.pop() if spare else make_database(template)
        yield made
        if emptied.again(made.admin_dsn):
            spare.append(made)
        else:
            drop_database(made)

    return lent


@pytest.fixture
def database(lend: Callable[[], AbstractContextManager[Database]]) -> Iterator[Database]:
    """A database with today's schema and no rows of anybody else."""
    with lend() as made:
        yield made


@pytest.fixture
def other_database(lend: Callable[[], AbstractContextManager[Database]]) -> Iterator[Database]:
    """A second one, for what moves from hub to hub."""
    with lend() as made:
        yield made


@pytest.fixture
def empty_database(make_database: Callable[..., Database]) -> Iterator[Database]:
    """A database as a hub finds it before its first migration."""
    made = make_database()
    yield made
    drop_database(made)


def create_database(server: EmbeddedPostgres, name: str, template: str) -> None:
    with psycopg.connect(server.dsn("postgres", "postgres"), autocommit=True) as db:
        db.execute(
            sql.SQL("create database {} owner mcphub_owner template {} is_template false").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        # Rights on the database itself are not copied with it.
        db.execute(
            "update pg_database set datacl = (select datacl from pg_database where datname = %s) where datname = %s",
            (template, name),
        )


def drop_database(made: Database) -> None:
    with psycopg.connect(made.server.dsn("postgres", "postgres"), autocommit=True) as db:
        db.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(made.name)))


@pytest.fixture(scope="session")
def ordinary_user() -> Iterator[pwd.struct_passwd]:
    """A throwaway user without rights; only root can make one."""
    if os.geteuid() != 0:
        pytest.skip("the test run itself is by an ordinary user")
    name = f"mcphub-test-{os.getpid()}"
    subprocess.run(
        ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "--user-group", name], check=True
    )
    yield pwd.getpwnam(name)
    subprocess.run(["userdel", name], check=True)


@pytest.fixture(params=[pytest.param("present user", marks=pytest.mark.thorough), "ordinary user"])
def owners(request: pytest.FixtureRequest, make_home: Callable[[], Path]) -> Iterator[Owners]:
    """Owners of embedded servers: by whoever runs the tests (root: with the service user), and by an ordinary user."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT / '.dev'}:{sysconfig.get_path('purelib')}"}
    if request.param == "present user":
        made = Owners(make_home, None, sys.executable, env)
    else:
        made = Owners(make_home, request.getfixturevalue("ordinary_user"), "", env)
        made.python = python_for(made)
    yield made
    made.end()
