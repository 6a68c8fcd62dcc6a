import { useInfiniteQuery } from "@tanstack/react-query";
import { History } from "lucide-react";
import { useCallback, useMemo } from "react";
import type { TimelineAnswer } from "@/api/schema.gen";
import { useLiveStream } from "@/api/use-live-stream";
import { useMe } from "@/app/session";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { activityTexts } from "@/i18n/activity";
import { ownEventsQuery } from "./queries";

type Item = TimelineAnswer["data"][number];

/** What the reader did, and what was done to their account, newest first; what happens meanwhile appears by itself. */
export function OwnEvents() {
  const m = useMessages(activityTexts);
  const me = useMe();
  const events = useInfiniteQuery(ownEventsQuery(me.isAdmin || me.isAuditor));
  const rows = useMemo(() => events.data?.pages.flatMap((page) => page.data), [events.data]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage, refetch } = events;
  // The stream says that something concerning the reader happened; the list says what.
  useLiveStream("/api/events/stream", () => void refetch(), { lastEventId: events.data?.pages[0]?.head });
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const columns = useMemo<Column<Item>[]>(() => {
    const c = m.activity.columns;
    return [
      {
        id: "time",
        header: c.time,
        width: "148px",
        cell: ({ at }) => <Time at={at} as="full" className="text-ink-2" />,
      },
      { id: "what", header: c.what, width: "minmax(180px,1fr)", cell: (item) => <What item={item} /> },
      {
        id: "about",
        header: c.about,
        width: "minmax(120px,1fr)",
        cell: (item) => <span className="font-mono text-xs">{aboutOf(item)}</span>,
      },
      { id: "by", header: c.by, width: "minmax(90px,0.6fr)", cell: (item) => <By item={item} /> },
      {
        id: "from",
        header: c.from,
        width: "minmax(100px,0.6fr)",
        cell: ({ ip }) => <span className="font-mono text-ink-2 text-xs">{ip}</span>,
      },
    ];
  }, [m]);
  return (
    <Loaded query={{ ...events, data: rows }} skeleton={<SkeletonRows rows={12} />}>
      {(found) => (
        <DataTable
          label={m.activity.events}
          columns={columns}
          rows={found}
          rowId={(item) => (item.kind === "fact" ? String(item.position) : item.id)}
          onEnd={more}
          empty={
            <EmptyState icon={<History aria-hidden />} title={m.activity.empty}>
              {m.activity.emptyText}
            </EmptyState>
          }
        />
      )}
    </Loaded>
  );
}

function What({ item }: { item: Item }) {
  const m = useMessages(activityTexts);
  const { kinds } = m.activity;
  const text = item.type in kinds ? kinds[item.type as keyof typeof kinds] : <code>{item.type}</code>;
  const refused = item.kind === "access" && item.outcome !== "done" && item.type !== "gap";
  return (
    <span className="flex items-center gap-2">
      <span className="truncate">{text}</span>
      {refused ? <Badge tone="warn">{m.activity.refused(item.outcome)}</Badge> : null}
    </span>
  );
}

function By({ item }: { item: Item }) {
  const m = useMessages(activityTexts);
  const me = useMe();
  if (item.actor === me.id) return m.activity.you;
  if (item.actor === "" || (item.kind === "fact" && item.actorKind !== "user")) {
    return <span className="text-ink-3">{m.activity.theHub}</span>;
  }
  return <b className="font-medium">{item.actorName}</b>;
}

/** What a fact is about, as it is called now: a key, a group, a server and its variable. */
function aboutOf(item: Item): string {
  if (item.kind === "access") return item.way || item.route;
  const variable = typeof item.data.variable === "string" ? item.data.variable : "";
  const server = Object.entries(item.names).find(([id]) => item.data.server_id === id)?.[1] ?? "";
  if (variable) return [server, variable].filter(Boolean).join(" / ");
  return item.subject?.kind === "user" ? "" : (item.subject?.name ?? "");
}
