import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { GitCompareArrows, X } from "lucide-react";
import { useMemo } from "react";
import type { Flood, ToolChange } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { rich } from "@/i18n/rich";
import { toolChangesTexts } from "@/i18n/tool-changes";
import { useShortcut } from "@/lib/shortcuts";
import { ChangePanel } from "./change-panel";
import { isUnknown, kindOf } from "./model";
import { changesQuery } from "./queries";

const route = getRouteApi("/_app/admin/tool-changes");

/** What servers changed of their tools, and an administrator's word on it. */
export function ToolChangesPage() {
  const m = useMessages(toolChangesTexts);
  const { state = "waiting", server = "", e = 0 } = route.useSearch();
  const navigate = route.useNavigate();
  const found = useInfiniteQuery(changesQuery({ state, server }));
  const pages = found.data?.pages;
  const changes = useMemo(() => pages?.flatMap(({ data }) => data.changes), [pages]);
  const floods = pages?.[0]?.data.floods ?? [];
  const chosen = changes?.find(({ position }) => position === e);
  const look = (position: number) =>
    void navigate({
      search: ({ e: _, ...now }) => (position ? { ...now, e: position } : now),
      replace: true,
      resetScroll: false,
    });
  useShortcut("Escape", () => look(0), chosen !== undefined);
  return (
    <Page
      title={m.toolChanges.title}
      subtitle={m.toolChanges.subtitle}
      tools={
        <>
          <Segmented
            label={m.toolChanges.which}
            value={state}
            onChange={(wanted) =>
              void navigate({
                search: ({ state: _, e: __, ...now }) => (wanted === "all" ? { ...now, state: wanted } : now),
              })
            }
            options={[
              { value: "waiting", label: m.toolChanges.waiting },
              { value: "all", label: m.toolChanges.all },
            ]}
          />
          {server ? (
            <Button
              tone="on"
              aria-label={m.toolChanges.withoutFilter(server)}
              onClick={() => void navigate({ search: ({ server: _, ...now }) => now })}
            >
              <span className="font-mono">{server}</span>
              <X aria-hidden />
            </Button>
          ) : null}
        </>
      }
    >
      {floods.map((flood) => (
        <FloodNotice key={flood.server} flood={flood} />
      ))}
      <Loaded query={{ ...found, data: changes }} skeleton={<SkeletonRows rows={10} />}>
        {(all) => (
          <div className="grid min-h-0 flex-1 grid-cols-[minmax(0,1fr)] items-start gap-3 xl:grid-cols-[minmax(0,1.2fr)_minmax(400px,1fr)] xl:[&:not(:has(aside))]:grid-cols-1">
            <Changes
              changes={all}
              selected={e}
              onLook={look}
              onEnd={() => found.hasNextPage && !found.isFetchingNextPage && void found.fetchNextPage()}
            />
            {chosen ? <ChangePanel key={chosen.position} change={chosen} onClose={() => look(0)} /> : null}
          </div>
        )}
      </Loaded>
    </Page>
  );
}

/** A server that brought more than an hour records. */
function FloodNotice({ flood }: { flood: Flood }) {
  const m = useMessages(toolChangesTexts);
  const format = useFormat();
  return (
    <Notice tone="warn" className="mb-3">
      {rich(m.toolChanges.flood(flood.server, format.number(flood.leftOut)))} <Time at={flood.since} />
    </Notice>
  );
}

interface ChangesProps {
  changes: ToolChange[];
  selected: number;
  onLook: (position: number) => void;
  onEnd: () => void;
}

function Changes({ changes, selected, onLook, onEnd }: ChangesProps) {
  const m = useMessages(toolChangesTexts);
  const format = useFormat();
  const columns = useMemo<Column<ToolChange>[]>(
    () => [
      {
        id: "tool",
        header: m.toolChanges.columns.tool,
        width: "minmax(100px,1fr)",
        cell: ({ tool, position }) => (
          <button
            type="button"
            onClick={() => onLook(position)}
            className="truncate rounded font-mono font-semibold hover:underline"
          >
            {tool}
          </button>
        ),
      },
      {
        id: "server",
        header: m.toolChanges.columns.server,
        width: "minmax(90px,0.8fr)",
        cell: ({ server }) => (
          <Link to="/servers/$name" params={{ name: server }} className="font-mono text-xs hover:underline">
            {server}
          </Link>
        ),
      },
      {
        id: "kind",
        header: m.toolChanges.columns.kind,
        width: "72px",
        cell: (change) => m.toolChanges.kinds[kindOf(change)],
      },
      {
        id: "fields",
        header: m.toolChanges.columns.fields,
        width: "44px",
        align: "right",
        cell: (change) => (isUnknown(change) ? "?" : format.number(change.differences.length)),
      },
      {
        id: "since",
        header: m.toolChanges.columns.since,
        width: "84px",
        cell: ({ since }) => <Time at={since} className="text-ink-2" />,
      },
      {
        id: "state",
        header: m.toolChanges.columns.state,
        width: "80px",
        cell: ({ waiting }) =>
          waiting ? (
            <Badge tone="warn">{m.toolChanges.waits}</Badge>
          ) : (
            <Badge>{m.toolChanges.accepted}</Badge>
          ),
      },
    ],
    [m, format, onLook],
  );
  return (
    <DataTable
      label={m.toolChanges.title}
      columns={columns}
      rows={changes}
      rowId={({ position }) => String(position)}
      selected={selected ? String(selected) : null}
      onSelect={({ position }) => onLook(position)}
      onEnd={onEnd}
      empty={
        <EmptyState icon={<GitCompareArrows aria-hidden />} title={m.toolChanges.empty}>
          {rich(m.toolChanges.emptyText)}
        </EmptyState>
      }
    />
  );
}
