"""Where the read tables stand."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcphub.cli.shared import FAILED, answer, at_home, fail, home_option, json_option, run, table

if TYPE_CHECKING:
    from mcphub.foundation import Foundation
    from mcphub.projections.table_states import TableState


@click.command()
@home_option
@click.option("--retry", metavar="TABLE", help="Let this parked table try its event again; a running hub does it.")
@json_option
def projections(home: Path | None, retry: str | None, as_json: bool) -> None:
    """Show where the read tables stand. Exit code 1 when one of them is parked."""

    async def work() -> None:
        from mcphub.projections.table_states import waits_for_rebuild

        async with at_home(home, depth="schema") as base:
            states = await asyncio.to_thread(_states, base, retry)
        answer(states, _said(states, waits_for_rebuild(states)), as_json=as_json)
        if any(state.status != "live" for state in states):
            raise SystemExit(FAILED)

    run(work())


def _states(base: "Foundation", retry: str | None) -> "list[TableState]":
    import psycopg
    from psycopg.rows import class_row

    from mcphub.projections.table_states import PARKED_AGAIN, TABLE_STATES, TableState

    with psycopg.connect(base.database.direct, autocommit=True) as db:
        if retry and not db.execute(PARKED_AGAIN, (retry,)).rowcount:
            fail(f"no table {retry} is parked")
        with db.cursor(row_factory=class_row(TableState)) as cursor:
            return cursor.execute(TABLE_STATES).fetchall()


def _said(states: "Sequence[TableState]", outdated: set[str]) -> str:
    def word(state: "TableState") -> str:
        if state.rebuilding:
            return "rebuilding"
        if state.status == "failed":
            return f"parked at {state.failed_at} ({state.failed_type}): {state.error}"
        return "waits for a rebuild" if state.name in outdated else "live" if not state.lag else "catching up"

    rows = [
        (state.name, state.version, f"{state.position:,}", f"{state.lag:,}", f"{state.late_s:.1f}", word(state))
        for state in states
    ]
    return table(("TABLE", "VERSION", "POSITION", "BEHIND", "SECONDS", "STATE"), rows)
