import { useMemo } from "react";
import type { Figures } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { type Column, DataTable, type Sort } from "@/components/data-table/data-table";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { cn } from "@/lib/cn";

export type GroupBy = "tool" | "server" | "user";

interface GroupsTableProps {
  by: GroupBy;
  figures: Figures[];
  /** Narrows the page to a group. */
  onOnly: (terms: Record<string, string>) => void;
  sort: Sort | null;
  onSort: (sort: Sort | null) => void;
  empty: React.ReactNode;
}

/** Figures for each tool, server or user. A press on a name narrows the page to it. */
export function GroupsTable({ by, figures, onOnly, sort, onSort, empty }: GroupsTableProps) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const most = Math.max(1, ...figures.map(({ count }) => count));
  const columns = useMemo(() => {
    const took = (id: "meanMs" | "p50Ms" | "p95Ms" | "p99Ms", header: string): Column<Figures> => ({
      id,
      header,
      width: "80px",
      align: "right",
      sortBy: (row) => row[id],
      cell: (row) => (row[id] === null ? "–" : format.duration(row[id])),
    });
    const every: (Column<Figures> | false)[] = [
      {
        id: "name",
        header: m.requests.columns[by],
        width: "minmax(150px,1.2fr)",
        sortBy: (row) => nameOf(row, by),
        cell: (row) => <Only row={row} by={by} onOnly={onOnly} />,
      },
      by === "tool" && {
        id: "server",
        header: m.requests.columns.server,
        width: "minmax(110px,0.8fr)",
        sortBy: ({ server }) => server,
        cell: ({ server }) => (
          <span className="font-mono text-ink-2 text-xs">{server ?? m.requests.noServer}</span>
        ),
      },
      {
        id: "count",
        header: m.requests.columns.calls,
        width: "minmax(120px,0.5fr)",
        align: "right",
        sortBy: ({ count }) => count,
        cell: ({ count }) => (
          <span className="flex items-center justify-end gap-2">
            <span className="h-1.5 max-w-16 flex-1 rounded-sm bg-raised" aria-hidden>
              <span
                className="ml-auto block h-full rounded-sm bg-accent-line"
                style={{ width: `${(count / most) * 100}%` }}
              />
            </span>
            {format.number(count)}
          </span>
        ),
      },
      {
        id: "errorRate",
        header: m.requests.columns.errors,
        width: "76px",
        align: "right",
        sortBy: ({ errorRate }) => errorRate,
        cell: ({ errorRate, errors }) => (
          <span className={cn(errors > 0 && "text-bad")}>{format.percent(errorRate)}</span>
        ),
      },
      {
        id: "toolErrors",
        header: m.requests.toolErrors,
        width: "84px",
        align: "right",
        sortBy: ({ toolErrors }) => toolErrors,
        cell: ({ toolErrors }) => (toolErrors === 0 ? "–" : format.number(toolErrors)),
      },
      {
        id: "denied",
        header: m.requests.denied,
        width: "64px",
        align: "right",
        sortBy: ({ denied }) => denied,
        cell: ({ denied }) => (denied === 0 ? "–" : format.number(denied)),
      },
      took("meanMs", m.requests.mean),
      took("p50Ms", "p50"),
      took("p95Ms", "p95"),
      took("p99Ms", "p99"),
    ];
    return every.filter((column) => column !== false);
  }, [m, format, by, most, onOnly]);
  return (
    <DataTable
      label={m.requests.view[by]}
      columns={columns}
      rows={figures}
      rowId={(row) => `${row.user} ${row.server} ${row.tool}`}
      sort={sort}
      onSort={onSort}
      empty={empty}
    />
  );
}

function nameOf({ tool, server, username }: Figures, by: GroupBy): string | null {
  return { tool, server, user: username }[by];
}

function Only({ row, by, onOnly }: { row: Figures; by: GroupBy; onOnly: GroupsTableProps["onOnly"] }) {
  const m = useMessages(requestsTexts);
  const name = nameOf(row, by);
  if (name === null) {
    const text = { tool: m.requests.noTool, server: m.requests.noServer, user: m.requests.nobody }[by];
    return <span className="text-ink-3">{text}</span>;
  }
  const more: Record<string, string> = by === "tool" && row.server ? { server: row.server } : {};
  return (
    <button
      type="button"
      title={m.requests.only(name)}
      onClick={() => onOnly({ ...more, [by]: name })}
      className="max-w-full truncate rounded text-left font-mono text-xs hover:text-accent hover:underline"
    >
      {name}
    </button>
  );
}
