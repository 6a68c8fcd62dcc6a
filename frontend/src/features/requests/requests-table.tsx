import { useEffect, useMemo, useRef, useState } from "react";
import type { RequestView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { RequestStatus } from "@/components/request-status";
import { Time } from "@/components/time";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { leftOutCount } from "./model";

interface RequestsTableProps {
  rows: RequestView[];
  /** The column of users is for those who see everybody's. */
  all: boolean;
  /** The period is longer than a day, so that times need their date. */
  long: boolean;
  /** Something stands beside the table: only what fits. */
  narrow: boolean;
  selected: string | null;
  onSelect: (row: RequestView) => void;
  onOpen: (row: RequestView) => void;
  onEnd: () => void;
  empty: React.ReactNode;
}

/** Requests, the newest first. */
export function RequestsTable({ rows, all, long, narrow, ...rest }: RequestsTableProps) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const fresh = useFresh(rows);
  const columns = useMemo(() => {
    const every: (Column<RequestView> | false)[] = [
      {
        id: "time",
        header: m.requests.columns.time,
        width: long ? "148px" : "68px",
        cell: ({ startedAt }) => <Time at={startedAt} as={long ? "full" : "clock"} className="text-ink-2" />,
      },
      all && {
        id: "user",
        header: m.requests.columns.user,
        width: "minmax(90px,0.5fr)",
        cell: ({ username }) => <b className="font-medium">{username ?? m.requests.nobody}</b>,
      },
      {
        id: "method",
        header: m.requests.columns.method,
        width: "minmax(108px,0.5fr)",
        cell: ({ method }) => <span className="font-mono text-ink-2 text-xs">{method}</span>,
      },
      {
        id: "target",
        header: m.requests.columns.target,
        width: "minmax(140px,1fr)",
        cell: (row) => <Target request={row} />,
      },
      !narrow && {
        id: "shown",
        header: m.requests.columns.shown,
        width: "minmax(150px,0.6fr)",
        cell: (row) => <ListCell request={row} />,
      },
      {
        id: "status",
        header: m.requests.columns.status,
        width: "112px",
        cell: (row) => <RequestStatus request={row} />,
      },
      {
        id: "took",
        header: m.requests.columns.took,
        width: "72px",
        align: "right",
        cell: ({ durationMs }) => (durationMs === null ? "–" : format.duration(durationMs)),
      },
      !narrow && {
        id: "bytes",
        header: m.requests.columns.bytes,
        width: "72px",
        align: "right",
        className: "text-ink-3",
        cell: ({ bytesOut }) => (bytesOut === null ? "–" : format.bytes(bytesOut)),
      },
    ];
    return every.filter((column) => column !== false);
  }, [m, format, all, long, narrow]);
  return (
    <DataTable
      label={m.requests.title}
      columns={columns}
      rows={rows}
      rowId={({ id }) => id}
      rowClass={({ id }) => (fresh.has(id) ? "bg-accent-soft transition-colors duration-150" : undefined)}
      {...rest}
    />
  );
}

function Target({ request: { server, tool } }: { request: RequestView }) {
  const m = useMessages(requestsTexts);
  if (!server) return <span className="text-ink-3">{m.requests.noServer}</span>;
  return (
    <span className="font-mono text-xs">
      <span className="text-ink-2">{server}</span>
      {tool ? <span> / {tool}</span> : null}
    </span>
  );
}

function ListCell({ request: { shown, leftOut } }: { request: RequestView }) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  if (shown === null) return null;
  const count = leftOutCount(leftOut);
  return (
    <span className="text-xs">
      {m.requests.listShown(format.number(shown))}
      {count > 0 ? (
        <span className="text-ink-3"> · {m.requests.listLeftOut(format.number(count))}</span>
      ) : null}
    </span>
  );
}

const FRESH_FOR = 2_000; // milliseconds

/** Ids of rows that came on top of those that were there, for a moment. */
function useFresh(rows: RequestView[]): Set<string> {
  const [fresh, setFresh] = useState<Set<string>>(() => new Set());
  const top = useRef<string | null>(null);
  useEffect(() => {
    const at = rows.findIndex(({ id }) => id === top.current);
    top.current = rows[0]?.id ?? null;
    if (at <= 0) return;
    setFresh(new Set(rows.slice(0, at).map(({ id }) => id)));
    const timer = setTimeout(() => setFresh(new Set()), FRESH_FOR);
    return () => clearTimeout(timer);
  }, [rows]);
  return fresh;
}
