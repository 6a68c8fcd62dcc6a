"""Databases that random histories are told to, one history after another."""

import psycopg
import pytest

from mcphub.domain.hub import plugged
from mcphub.postgres.ledger import Factory
from mcphub.postgres.pool import command_pool
from mcphub.projections.rebuild import digests
from mcphub.projections.tables import all_projections, ensure_schema, read_facts, work_in
from tests.conftest import drop_database

EMPTIED = """
    set session_replication_role = replica;
    truncate ledger, tracking;
    update ledger_head set position = 0, recorded_at = '-infinity', hash = sha256('');
    drop schema if exists read cascade;
    set session_replication_role = origin;
"""


class Base:
    """A database, emptied before each history, with connections in the roles of a hub."""

    def __init__(self, database):
        self.database = database
        self.admin = psycopg.connect(database.admin_dsn, autocommit=True)
        self.owner = psycopg.connect(database.owner_dsn, autocommit=True)
        self.app = psycopg.connect(database.app_dsn, autocommit=True)

    def empty(self):
        self.admin.execute(EMPTIED)
        ensure_schema(self.app, all_projections())
        work_in(self.app, "read")

    def rows(self):
        """Every row of every read table, as text, in the order of its key."""
        return {
            projection.name: self.app.execute(
                f"select row_to_json(t)::text from read.{projection.name} t order by {','.join(projection.key_columns)}"
            ).fetchall()
            for projection in all_projections()
        }

    def facts(self):
        return read_facts(self.app, 0, 100_000)

    def digests(self):
        return digests(self.app, "read", all_projections())

    def close(self):
        for connection in (self.admin, self.owner, self.app):
            connection.close()


@pytest.fixture(scope="module")
def bases(make_database, template):
    databases = [make_database(template), make_database(template)]
    made = [Base(database) for database in databases]
    with command_pool(databases[0].app_dsn) as pool:
        made[0].pool = pool
        Factory.use(pool)
        made[0].hub = plugged("mcphub.postgres.ledger:Factory", {})
        yield made
        made[0].hub.close()
    for base in made:
        base.close()
    for database in databases:
        drop_database(database)
