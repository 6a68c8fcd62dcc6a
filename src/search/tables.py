"""The schema `search`: made, mended and versioned by whoever opens it, as the role that owns it."""

from importlib.resources import files
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection

log = structlog.get_logger()

SCHEMA = "search"
LOCK = 7_206_031
VERSION = 2  # raise when the tables are others: they are made again, and everything is indexed anew


async def ensure(db: AsyncConnection[Any]) -> bool:
    """Makes what is missing; returns whether vectors can be kept: a managed server may lack the extension.

    Args:
        db: autocommit. Its search path is the schema from now on.
    """
    async with db.transaction():
        await db.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        await db.execute(f"create schema if not exists {SCHEMA}")
        asked = await db.execute("select obj_description(%s::regnamespace, 'pg_namespace')", (SCHEMA,))
        if await asked.fetchone() != (str(VERSION),):
            await db.execute(f"drop schema {SCHEMA} cascade")
            await db.execute(f"create schema {SCHEMA}")
            await db.execute(f"comment on schema {SCHEMA} is '{VERSION}'")
        await db.execute(f"set search_path = {SCHEMA}, public")
        await db.execute(statement("tables"))
        try:
            async with db.transaction():
                await db.execute("create extension if not exists vector with schema public")
                await db.execute(statement("vector_tables"))
        except psycopg.Error as error:
            log.warning("search_by_words_only", why=type(error).__name__)
            return False
    return True


def statement(name: str) -> str:
    return (files("mcphub.search") / "queries" / f"{name}.sql").read_text(encoding="utf-8")
