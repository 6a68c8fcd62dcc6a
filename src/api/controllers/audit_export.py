"""The timeline as a file: lines of JSON, or a sheet. Newest first, as the list; written while it is read."""

import csv
import io
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter
from litestar.response import Stream

from mcphub.api.caller import USER, Caller, Guard
from mcphub.api.controllers.audit import Access, Fact, shown_items, sought
from mcphub.api.incoming import Note
from mcphub.api.notes import note
from mcphub.api.services import Services
from mcphub.projections.timeline import Timeline, Wanted

Format = Literal["ndjson", "csv"]
MEDIA: dict[Format, str] = {"ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
STEP = 500  # items read at once
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # sheets read the wide ones, too
BYTE_ORDER = "\ufeff"  # without it a spreadsheet takes Hangul for something else
COLUMNS = (
    *("position", "at", "kind", "type", "category", "outcome", "actor", "actorName", "source", "userId", "userName"),
    *("subject", "ip", "agent", "method", "route", "requestId", "correlationId", "causationId", "command", "data"),
    "hash",
)


class AuditExportController(Controller):
    path = "/api/audit/export"
    tags = ("Audit",)
    dependencies = {"sought": Provide(sought)}  # noqa: RUF012  litestar reads it

    @get(
        "/",
        operation_id="auditExport",
        summary="The timeline as a file; a user's has what concerns them",
        forms=["application/x-ndjson", "text/csv"],
        who=USER,
    )
    async def export(
        self,
        caller: NamedDependency[Caller],
        services: NamedDependency[Services],
        guard: NamedDependency[Guard],
        sought: NamedDependency[Wanted],
        format_: Annotated[Format, QueryParameter(name="format")] = "ndjson",
    ) -> Stream:
        """Takes the filters of the timeline. `ndjson`: an item a line, as the list has it, and the hash of each fact;
        only the ordinals of subjects are 0.

        `csv`: a line of names first; what a spreadsheet would take for a formula begins with an apostrophe. The access
        log says that it was exported, before the first line.
        """
        note(Note(action="export", actor=caller.user_id, subject=caller.user_id))
        pages = _items(services, caller, sought, guard)
        content = _lines(pages) if format_ == "ndjson" else _sheet(pages)
        name = f"audit-{datetime.now(UTC):%Y-%m-%d-%H%M}.{format_}"
        return Stream(
            services.streams.one_more(caller.user_id, content),
            media_type=MEDIA[format_],
            headers={"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'},
        )


Item = tuple[Fact | Access, str]  # and the fact's hash in hex, '' for a row of the access log


async def _items(services: Services, caller: Caller, wanted: Wanted, guard: Guard) -> AsyncIterator[list[Item]]:
    """Page by page; ends early when its reader may no longer read."""
    timeline, before = Timeline(services.read), None
    while guard.still(caller):
        found = await timeline.page(wanted, before=before, size=STEP)
        if found:
            shown = await shown_items(services, caller, found, counted=False)
            hashes = await timeline.hashes([one.position for one in shown if isinstance(one, Fact)])
            yield [(one, hashes[one.position].hex() if isinstance(one, Fact) else "") for one in shown]
        if len(found) < STEP:
            return
        before = found[-1].place


async def _lines(pages: AsyncIterator[list[Item]]) -> AsyncGenerator[bytes]:
    async for items in pages:
        yield b"".join(_line(*item) for item in items)


def _line(item: Fact | Access, hash_: str) -> bytes:
    fields = msgspec.to_builtins(item)
    return msgspec.json.encode({**fields, "hash": hash_} if hash_ else fields, enc_hook=str) + b"\n"


async def _sheet(pages: AsyncIterator[list[Item]]) -> AsyncGenerator[bytes]:
    yield (BYTE_ORDER + sheet_lines([COLUMNS])).encode()
    async for items in pages:
        yield sheet_lines([_cells(*item) for item in items]).encode()


def _cells(item: Fact | Access, hash_: str) -> list[str]:
    fields: dict[str, Any] = {**msgspec.to_builtins(item), "hash": hash_}
    if isinstance(item, Fact):
        fields["outcome"] = "done"
        fields["subject"] = item.subject.tag if item.subject else ""
        fields["data"] = msgspec.json.encode(item.data, enc_hook=str).decode()
    else:
        fields["source"] = item.way
    return [str(fields.get(name, "")) for name in COLUMNS]


def sheet_lines(rows: Iterable[Sequence[str]]) -> str:
    """RFC 4180, every cell in quotation marks: some spreadsheets part cells at a semicolon."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerows([[harmless(cell) for cell in row] for row in rows])
    return out.getvalue()


def harmless(cell: str) -> str:
    """As text, whatever a spreadsheet makes of such a beginning: names are what users chose."""
    return f"'{cell}" if cell.startswith(FORMULAS) or cell.lstrip().startswith(FORMULAS) else cell
