"""The history of calls."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mcphub.cli.people import present, the_user
from mcphub.cli.shared import answer, home_option, json_option, run, table

if TYPE_CHECKING:
    from mcphub.projections.requests import RequestRow, Stats

TOOL_ERROR = "tool_error"  # the reason of a call that a tool answered with an error of its own
SPANS = {"m": "minutes", "h": "hours", "d": "days"}


class Span(click.ParamType[timedelta]):
    """`90m`, `24h` or `7d`."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        text = str(value)
        if text[:-1].isdigit() and text[-1:] in SPANS:
            return timedelta(**{SPANS[text[-1]]: int(text[:-1])})
        return self.fail("write it like 90m, 24h or 7d", param, ctx)


@click.command()
@home_option
@click.option("--user", "who", metavar="USER", help="Of this user.")
@click.option("--server", help="To this server, by its slug.")
@click.option("--tool")
@click.option("--method", help="Such as tools/call.")
@click.option("--status", help="Completed, Failed, TimedOut, Cancelled, Denied, Interrupted or Pending.")
@click.option("--slower-than", type=float, metavar="MS")
@click.option("--last", type=Span(), metavar="SPAN", help="Such as 90m, 24h or 7d.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--stats", type=click.Choice(["user", "server", "tool"]), help="Counts and percentiles instead of rows.")
@json_option
def requests(
    home: Path | None,
    who: str | None,
    server: str | None,
    tool: str | None,
    method: str | None,
    status: str | None,
    slower_than: float | None,
    last: timedelta | None,
    limit: int,
    stats: str | None,
    as_json: bool,
) -> None:
    """Show the newest calls, or figures of them.

    Figures are of the last day unless --last says otherwise.
    """

    async def work() -> None:
        from mcphub.postgres.pool import read_pool
        from mcphub.projections.requests import Filters, Requests

        async with present(home) as (base, state):
            filters = Filters(
                user=the_user(base, state, who).user_id if who else None,
                server=server,
                tool=tool,
                method=method,
                status=status,
                latency=slower_than,
                from_=datetime.now(UTC) - last if last else None,
            )
            async with read_pool(base.database.app, search_path="read, public") as pool:
                history = Requests(pool)
                if stats:
                    figures = await history.stats(filters, by=stats)  # type: ignore[arg-type]
                    users = [figure.user for figure in figures if figure.user]
                else:
                    page = await history.page(filters, limit=limit)
                    users = [row.user_id for row in page.rows if row.user_id]
            names = {user: found.username for user, found in (await state.directory.names(users)).items()}
        if stats:
            answer(figures, _figures(figures, names), as_json=as_json)
        else:
            answer(page.rows, _rows(page.rows, names), as_json=as_json)

    run(work())


def _rows(rows: "list[RequestRow]", names: dict[str, str]) -> str:
    head = ("STARTED", "USER", "METHOD", "SERVER", "TOOL", "STATUS", "MS", "ERROR")
    return table(
        head,
        (
            (
                f"{row.started_at:%Y-%m-%d %H:%M:%S}",
                names.get(row.user_id or ""),
                row.method,
                row.server,
                row.tool,
                row.status,
                _ms(row.duration_ms),
                TOOL_ERROR if row.reason == TOOL_ERROR else row.error_code,
            )
            for row in rows
        ),
    )


def _figures(figures: "list[Stats]", names: dict[str, str]) -> str:
    head = ("USER", "SERVER", "TOOL", "COUNT", "ERRORS", "TOOL ERRORS", "DENIED", "P50 MS", "P95 MS", "P99 MS")
    return table(
        head,
        (
            (
                names.get(figure.user or ""),
                figure.server,
                figure.tool,
                figure.count,
                figure.errors,
                figure.tool_errors,
                figure.denied,
                _ms(figure.p50_ms),
                _ms(figure.p95_ms),
                _ms(figure.p99_ms),
            )
            for figure in figures
        ),
    )


def _ms(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}"
