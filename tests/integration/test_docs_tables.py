"""The page of tables names what PostgreSQL has after every migration, and nothing else."""

import psycopg
import pytest

from mcphub.projections.tables import all_projections, ensure_schema
from mcphub.search.tables import ensure
from tests.conftest import Database
from tests.support.guides import reference

pytestmark = pytest.mark.slow

COLUMNS = """
    select replace(table_schema || '.', 'public.', '') || table_name, array_agg(column_name::text)
    from information_schema.columns join pg_class on oid = format('%I.%I', table_schema, table_name)::regclass
    where table_schema in ('public', 'read', 'search') and relkind in ('r', 'p') and not relispartition
    group by 1
"""


async def test_the_page_of_tables_is_what_the_database_has(database: Database) -> None:
    async with await psycopg.AsyncConnection.connect(database.app_dsn, autocommit=True) as search:
        assert await ensure(search)
    with psycopg.connect(database.app_dsn, autocommit=True) as db:
        ensure_schema(db, all_projections())
    with psycopg.connect(database.admin_dsn) as db:
        there = {table: set(columns) for table, columns in db.execute(COLUMNS)}

    assert {table: set(columns) for table, columns in reference().columns().items()} == there
