import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { useFormat } from "@/app/look";
import { type Column, DataTable, type Sort } from "@/components/data-table/data-table";
import { Time } from "@/components/time";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";
import { cn } from "@/lib/cn";
import type { ServerRow } from "./model";
import { ReadyMark, StatusMark } from "./state";

const route = getRouteApi("/_app/servers/");

export function ServersTable({ rows, empty }: { rows: ServerRow[]; empty: ReactNode }) {
  const m = useMessages(serversTexts);
  const format = useFormat();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const columns = useMemo<Column<ServerRow>[]>(() => {
    const names = m.servers.columns;
    const number = (value: number | null | undefined, show: (value: number) => string) =>
      value === null || value === undefined ? <span className="text-ink-3">–</span> : show(value);
    return [
      {
        id: "name",
        header: names.name,
        width: "minmax(150px,1fr)",
        sortBy: ({ server }) => server.name.toLowerCase(),
        cell: ({ server }) => (
          <Link
            to="/servers/$name"
            params={{ name: server.name }}
            className={cn("font-mono font-semibold hover:underline", !server.enabled && "text-ink-3")}
          >
            {server.name}
          </Link>
        ),
      },
      {
        id: "status",
        header: names.status,
        width: "minmax(130px,1.2fr)",
        sortBy: ({ server }) => server.status,
        cell: ({ server }) => (
          <span className="flex min-w-0 items-center gap-2" title={server.error ?? undefined}>
            <StatusMark status={server.status} />
            {server.error ? (
              <span data-name className="truncate text-ink-3 text-xs">
                {server.error}
              </span>
            ) : null}
          </span>
        ),
      },
      {
        id: "ready",
        header: names.readiness,
        width: "minmax(140px,0.7fr)",
        sortBy: ({ readiness }) => readiness.kind,
        cell: ({ readiness }) => (
          <span className="flex">
            <ReadyMark readiness={readiness} />
          </span>
        ),
      },
      {
        id: "tools",
        header: names.tools,
        width: "60px",
        align: "right",
        sortBy: ({ server }) => (server.toolsListed ? server.toolCount : null),
        cell: ({ server }) => number(server.toolsListed ? server.toolCount : null, format.number),
      },
      {
        id: "calls",
        header: names.calls,
        width: "66px",
        align: "right",
        sortBy: ({ figures }) => figures?.count,
        cell: ({ figures }) => number(figures?.count, format.number),
      },
      {
        id: "p95",
        header: names.p95,
        width: "72px",
        align: "right",
        sortBy: ({ figures }) => figures?.p95Ms,
        cell: ({ figures }) => number(figures?.p95Ms, format.duration),
      },
      {
        id: "errors",
        header: names.errors,
        width: "62px",
        align: "right",
        sortBy: ({ figures }) => figures?.errorRate,
        cell: ({ figures }) => (
          <span className={cn((figures?.errorRate ?? 0) >= 0.05 && "text-bad")}>
            {number(figures?.errorRate, format.percent)}
          </span>
        ),
      },
      {
        id: "since",
        header: names.since,
        width: "88px",
        sortBy: ({ server }) => server.since,
        cell: ({ server }) =>
          server.since ? (
            <Time at={server.since} className="text-ink-2" />
          ) : (
            <span className="text-ink-3">–</span>
          ),
      },
      {
        id: "type",
        header: names.type,
        width: "112px",
        sortBy: ({ server }) => server.type,
        cell: ({ server }) => <span className="font-mono text-ink-2 text-xs">{server.type}</span>,
      },
      {
        id: "isolation",
        header: names.isolation,
        width: "minmax(84px,0.5fr)",
        sortBy: ({ server }) => server.isolation,
        cell: ({ server }) => (
          <span className="text-ink-2">
            {m.servers.isolations[server.isolation as "per-user"] ?? server.isolation}
          </span>
        ),
      },
    ];
  }, [m, format]);
  const sort = sortOf(search.sort);
  return (
    <DataTable
      label={m.servers.title}
      columns={columns}
      rows={rows}
      rowId={({ server }) => server.name}
      selected={search.e ?? null}
      onSelect={({ server }) =>
        void navigate({ search: (now) => ({ ...now, e: server.name }), replace: true, resetScroll: false })
      }
      onOpen={({ server }) => void navigate({ to: "/servers/$name", params: { name: server.name } })}
      sort={sort}
      onSort={(wanted) =>
        void navigate({
          search: ({ sort: _, ...now }) =>
            wanted ? { ...now, sort: `${wanted.desc ? "-" : ""}${wanted.id}` } : now,
        })
      }
      empty={empty}
    />
  );
}

/** `p95` upwards, `-p95` downwards. */
export function sortOf(text: string | undefined): Sort | null {
  return text ? { id: text.replace(/^-/, ""), desc: text.startsWith("-") } : null;
}
