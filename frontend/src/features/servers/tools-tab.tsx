import { getRouteApi, Link } from "@tanstack/react-router";
import { RefreshCw, Wrench } from "lucide-react";
import { useEffect, useMemo } from "react";
import { explain } from "@/api/problem";
import type { ServerView, ToolView } from "@/api/schema.gen";
import { useMe } from "@/app/session";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { EmptyState, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { SearchInput } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import { Switch } from "@/components/ui/switch";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";
import type { useServerCommands } from "./commands";
import { readinessOf, toolSays } from "./model";
import { ToolMarks } from "./state";

const route = getRouteApi("/_app/servers/$name/");

interface ToolsTabProps {
  server: ServerView;
  commands: ReturnType<typeof useServerCommands>;
}

/** What a server can do. Asked of the server the first time, where no client of the reader has done so. */
export function ToolsTab({ server, commands: { listTools, toggleTool } }: ToolsTabProps) {
  const m = useMessages(serversTexts);
  const { q = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const usable = readinessOf(server).kind === "ready" || readinessOf(server).kind === "rejected";
  const { mutate: ask, isIdle } = listTools;
  const unknown = !server.toolsListed && usable;
  useEffect(() => {
    if (unknown && isIdle) ask();
  }, [unknown, isIdle, ask]);
  const shown = useMemo(() => server.tools.filter((tool) => toolSays(q, tool)), [server.tools, q]);
  const failed = listTools.error ? explain(listTools.error, m) : listTools.data?.error;
  return (
    <div className="pt-3">
      {failed ? (
        <Notice
          tone="bad"
          announce
          className="mb-3"
          end={<Button onClick={() => ask()}>{m.common.retry}</Button>}
        >
          {m.servers.notListed} <span data-name>{failed}</span>
        </Notice>
      ) : null}
      <div className="mb-2 flex items-center gap-2">
        <SearchInput
          value={q}
          onChange={(wanted) =>
            void navigate({
              search: wanted ? { tab: "tools", q: wanted } : { tab: "tools" },
              replace: true,
              resetScroll: false,
            })
          }
          placeholder={m.servers.findTool}
          className="w-full max-w-96"
        />
        <Button busy={listTools.isPending} disabled={!usable} onClick={() => ask()}>
          {listTools.isPending ? null : <RefreshCw aria-hidden />}
          {m.servers.listTools}
        </Button>
      </div>
      {listTools.isPending && server.tools.length === 0 ? (
        <SkeletonRows rows={6} />
      ) : (
        <ToolsTable server={server} tools={shown} searched={q !== ""} toggle={toggleTool.mutate} />
      )}
    </div>
  );
}

interface ToolsTableProps {
  server: ServerView;
  tools: ToolView[];
  searched: boolean;
  toggle: (change: { tool: string; enabled: boolean }) => void;
}

function ToolsTable({ server, tools, searched, toggle }: ToolsTableProps) {
  const m = useMessages(serversTexts);
  const me = useMe();
  const { e } = route.useSearch();
  const navigate = route.useNavigate();
  const columns = useMemo<Column<ToolView>[]>(() => {
    const switches: Column<ToolView> = {
      id: "enabled",
      header: m.servers.columns.enabled,
      width: "64px",
      align: "right",
      cell: ({ name, enabled }) => (
        <Switch
          label={m.servers.toolEnabled(name)}
          checked={enabled}
          onChange={(wanted) => toggle({ tool: name, enabled: wanted })}
          className="align-middle"
        />
      ),
    };
    return [
      {
        id: "name",
        header: m.servers.columns.tool,
        width: "minmax(150px,1fr)",
        sortBy: ({ name }) => name,
        cell: ({ name, displayName }) => (
          <Link
            to="/servers/$name/tools/$tool"
            params={{ name: server.name, tool: name }}
            className="font-mono font-semibold hover:underline"
          >
            {displayName ?? name}
          </Link>
        ),
      },
      {
        id: "description",
        header: m.servers.columns.description,
        width: "minmax(160px,2.2fr)",
        cell: ({ description }) => (
          <span data-name className="text-ink-2" title={description}>
            {description}
          </span>
        ),
      },
      {
        id: "marks",
        header: m.servers.columns.marks,
        width: "minmax(130px,0.9fr)",
        cell: (tool) => (
          <span className="flex gap-1">
            <ToolMarks tool={tool} />
          </span>
        ),
      },
      {
        id: "changed",
        header: m.servers.columns.changed,
        width: "92px",
        sortBy: ({ changedAt }) => changedAt,
        cell: ({ changedAt }) =>
          changedAt ? <Time at={changedAt} className="text-ink-2" /> : <span className="text-ink-3">–</span>,
      },
      ...(me.isAdmin ? [switches] : []),
    ];
  }, [m, me.isAdmin, server.name, toggle]);
  return (
    <DataTable
      label={m.servers.tabs.tools}
      columns={columns}
      rows={tools}
      rowId={({ name }) => name}
      selected={e ?? null}
      onSelect={({ name }) =>
        void navigate({ search: (now) => ({ ...now, e: name }), replace: true, resetScroll: false })
      }
      onOpen={({ name }) =>
        void navigate({ to: "/servers/$name/tools/$tool", params: { name: server.name, tool: name } })
      }
      rowClass={({ enabled }) => (enabled ? undefined : "bg-sunken")}
      empty={<NoTools server={server} searched={searched} />}
    />
  );
}

function NoTools({ server, searched }: { server: ServerView; searched: boolean }) {
  const m = useMessages(serversTexts);
  const { kind } = readinessOf(server);
  if (searched) return <EmptyState title={m.servers.noToolMatch} />;
  const why = server.toolsListed ? m.servers.noTools : m.servers.toolsUnknown[kind];
  return (
    <EmptyState
      icon={<Wrench aria-hidden />}
      title={why}
      action={
        kind === "missing" ? (
          <Link to="/settings" hash={server.slug} className="text-accent underline">
            {m.servers.enterValues}
          </Link>
        ) : null
      }
    />
  );
}
