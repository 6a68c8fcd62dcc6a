"""A database of a test, made as good as new for the next one: several times as quick as another copy of the template.

Rows, read tables and the partitions of days go. Whatever else a test changed, a table, a right, a function, a setting,
makes the database one that is dropped.
"""

import psycopg
from psycopg import Connection, sql

# What a test could change beside rows: names, columns, rights, constraints, triggers, functions, settings.
SHAPE = """
    with ours as (
        select oid from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'
    ), things (thing) as (
        select 'schema ' || nspname || coalesce(nspacl::text, '') from pg_namespace where oid in (select oid from ours)
        union all
        select concat_ws(' ', relkind, relname, relowner, relacl, reloptions, relrowsecurity)
        from pg_class where relnamespace in (select oid from ours)
        union all
        select concat_ws(' ', attrelid::regclass, attname, atttypid, attnotnull, atthasdef, attacl)
        from pg_attribute join pg_class on pg_class.oid = attrelid
        where relnamespace in (select oid from ours) and attnum > 0
        union all
        select concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
        from pg_constraint where connamespace in (select oid from ours)
        union all
        select concat_ws(' ', tgrelid::regclass, tgname, tgenabled, tgfoid::regprocedure)
        from pg_trigger where not tgisinternal
        union all
        select concat_ws(' ', oid::regprocedure, proowner, proacl, prosecdef, proconfig, md5(prosrc))
        from pg_proc where pronamespace in (select oid from ours)
        union all
        select concat_ws(' ', 'setting', setrole, setconfig) from pg_db_role_setting
        where setdatabase = (select oid from pg_database where datname = current_database())
        union all
        select concat_ws(' ', 'database', datdba, datacl, datallowconn) from pg_database
        where datname = current_database()
    )
    select md5(string_agg(thing, e'\\n' order by thing)) from things
"""
OTHERS = """
    select count(pg_terminate_backend(pid, 2000)) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()
"""
PARTITIONS = "select oid::regclass::text from pg_class where relispartition and relkind = 'r'"
FILLED = """
    select oid::regclass::text from pg_class
    where relkind = 'r' and relnamespace = 'public'::regnamespace and not relispartition and pg_relation_size(oid) > 0
"""
COUNTED = "select schemaname || '.' || sequencename from pg_sequences where last_value is not null"


class Emptied:
    """Brings databases back to what the first one was.

    Args:
        new: a superuser's connection string to a database nobody has used yet.
    """

    def __init__(self, new: str) -> None:
        with psycopg.connect(new, autocommit=True) as db:
            self._shape = shape(db)
            self._rows = {table: rows(db, table) for table in filled(db)}

    def again(self, dsn: str) -> bool:
        """Is the database as good as new, now?"""
        try:
            return self._empty(dsn)
        except psycopg.Error:
            return False  # whatever a test did to it

    def _empty(self, dsn: str) -> bool:
        with psycopg.connect(dsn, autocommit=True) as db:
            db.execute(OTHERS)
            db.execute("set session_replication_role = replica")  # the ledger lets nobody take away a row
            with db.transaction():
                db.execute("drop schema if exists read cascade")
                for (partition,) in db.execute(PARTITIONS).fetchall():
                    db.execute(f"drop table {partition}")
                if shape(db) != self._shape:
                    return False
                for table in filled(db):
                    if rows(db, table) != self._rows.get(table, b""):
                        db.execute(f"truncate {table} cascade")
                        put(db, table, self._rows.get(table, b""))
                for (sequence,) in db.execute(COUNTED).fetchall():
                    db.execute(f"alter sequence {sequence} restart")
        return True


def shape(db: Connection) -> str:
    found = db.execute(SHAPE).fetchone()
    assert found is not None
    return str(found[0])


def filled(db: Connection) -> list[str]:
    return [str(name) for (name,) in db.execute(FILLED).fetchall()]


def rows(db: Connection, table: str) -> bytes:
    with db.cursor().copy(sql.SQL("copy {} to stdout").format(sql.SQL(table))) as out:
        return b"".join(bytes(part) for part in out)


def put(db: Connection, table: str, what: bytes) -> None:
    with db.cursor().copy(sql.SQL("copy {} from stdin").format(sql.SQL(table))) as into:
        into.write(what)
