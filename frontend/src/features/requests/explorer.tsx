import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import type { RequestView } from "@/api/schema.gen";
import { Loaded, SkeletonRows } from "@/components/states";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { withTerm } from "@/lib/query-language";
import { rangeOf } from "./address";
import { ExportMenu } from "./export-menu";
import { FiguresStrip } from "./figures-strip";
import { type GroupBy, GroupsTable } from "./groups-table";
import { LatencyCard } from "./latency-card";
import { filtersOf, type Window } from "./model";
import { NothingHere } from "./nothing-here";
import { Peek } from "./peek";
import { type Asked, figuresQuery, requestsQuery } from "./queries";
import type { ListPath } from "./request-detail";
import { RequestsTable } from "./requests-table";
import type { Change, RequestsSearch } from "./search";
import { useOwnBell } from "./use-own-bell";

interface ExplorerProps {
  search: RequestsSearch;
  change: Change;
  /** Everybody's, or the reader's own. */
  all: boolean;
  path: ListPath;
}

const DAY = 86_400_000;

/** The requests of a period: how many, how long, whose; and each of them. */
export function Explorer({ search, change, all, path }: ExplorerProps) {
  const m = useMessages(requestsTexts);
  const navigate = useNavigate();
  const { q = "", view = "requests", e = "", lines = "", span, from, to } = search;
  const live = search.live !== "off";
  const asked = useMemo<Asked>(
    () => ({
      all,
      live,
      filters: filtersOf(q).filters,
      range: rangeOf({ span, from, to } as RequestsSearch),
    }),
    [all, live, q, span, from, to],
  );
  useOwnBell(asked);
  const comparing = search.compare === "on";
  const total = useQuery(figuresQuery(asked, ""));
  const course = useQuery(figuresQuery(asked, "time"));
  const totalThen = useQuery(figuresQuery(asked, "", { shift: true, enabled: comparing }));
  const courseThen = useQuery(figuresQuery(asked, "time", { shift: true, enabled: comparing }));
  const zoom = useCallback(
    (window: Window) => change({ from: window.from.toISOString(), to: window.to.toISOString() }),
    [change],
  );
  const hidden = useMemo(() => lines.split(",").filter(Boolean), [lines]);
  const then = useMemo(
    () => (comparing && courseThen.data ? courseThen.data : undefined),
    [comparing, courseThen.data],
  );
  const views = (all ? ["requests", "tool", "server", "user"] : ["requests", "tool", "server"]) as (
    | "requests"
    | GroupBy
  )[];
  return (
    <div className="flex flex-col gap-3">
      <Loaded query={total} skeleton={<div className="skeleton h-14 rounded-lg" />}>
        {({ figures, pending }) => (
          <FiguresStrip
            now={figures[0]}
            then={totalThen.data?.figures[0]}
            comparing={comparing}
            pending={pending}
          />
        )}
      </Loaded>
      <Loaded query={course} skeleton={<div className="skeleton h-80 rounded-lg" />}>
        {({ figures, window, bucket }) => (
          <LatencyCard
            figures={figures}
            window={window}
            bucket={bucket}
            then={then}
            hidden={hidden}
            onHide={(ids) => change({ lines: ids.join(",") }, { replace: true })}
            onZoom={zoom}
          />
        )}
      </Loaded>
      <div className="flex items-start gap-4">
        <div className="min-w-0 flex-1">
          <div className="mb-1 flex flex-wrap items-center gap-2">
            <Segmented
              label={m.requests.views}
              value={view}
              onChange={(wanted) => change({ view: wanted, sort: "", e: "" })}
              options={views.map((value) => ({ value, label: m.requests.view[value] }))}
            />
            {view === "requests" ? <ExportMenu asked={asked} /> : null}
          </div>
          {view === "requests" ? (
            <Rows
              asked={asked}
              search={search}
              change={change}
              onOpen={({ id }) =>
                all
                  ? void navigate({ to: "/admin/requests/$requestId", params: { requestId: id } })
                  : change({ e: id }, { replace: true })
              }
            />
          ) : (
            <Groups asked={asked} by={view} search={search} change={change} />
          )}
        </div>
        {e && view === "requests" ? (
          <Peek id={e} listPath={path} withPage={all} onClose={() => change({ e: "" }, { replace: true })} />
        ) : null}
      </div>
    </div>
  );
}

interface PartProps {
  asked: Asked;
  search: RequestsSearch;
  change: Change;
}

function Rows({ asked, search, change, onOpen }: PartProps & { onOpen: (row: RequestView) => void }) {
  const requests = useInfiniteQuery(requestsQuery(asked));
  const rows = useMemo(() => requests.data?.pages.flatMap((page) => page.data), [requests.data]);
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = requests;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const { range } = asked;
  const long = "span" in range ? ["24h", "7d", "30d"].includes(range.span) : isLong(range);
  return (
    <Loaded query={{ ...requests, data: rows }} skeleton={<SkeletonRows rows={10} />}>
      {(found) => (
        <RequestsTable
          rows={found}
          all={asked.all}
          long={long}
          narrow={Boolean(search.e)}
          selected={search.e || null}
          onSelect={({ id }) => change({ e: id }, { replace: true })}
          onOpen={onOpen}
          onEnd={more}
          empty={<NothingHere search={search} change={change} />}
        />
      )}
    </Loaded>
  );
}

function isLong({ from, to }: Window): boolean {
  return to.getTime() - from.getTime() > DAY || Date.now() - from.getTime() > DAY;
}

function Groups({ asked, by, search, change }: PartProps & { by: GroupBy }) {
  const figures = useQuery(figuresQuery(asked, by));
  const q = search.q ?? "";
  const only = useCallback(
    (terms: Record<string, string>) => {
      const wanted = Object.entries(terms).reduce((text, [key, value]) => withTerm(text, key, value), q);
      change({ q: wanted, view: "requests", sort: "" });
    },
    [q, change],
  );
  const [id = "", direction] = (search.sort ?? "").split(":");
  return (
    <Loaded query={figures} skeleton={<SkeletonRows rows={8} />}>
      {({ figures: found }) => (
        <GroupsTable
          by={by}
          figures={found}
          onOnly={only}
          sort={id ? { id, desc: direction === "desc" } : null}
          onSort={(sort) =>
            change({ sort: sort ? `${sort.id}${sort.desc ? ":desc" : ""}` : "" }, { replace: true })
          }
          empty={<NothingHere search={search} change={change} />}
        />
      )}
    </Loaded>
  );
}
