import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { ArrowUp } from "lucide-react";
import { type ReactNode, useCallback, useMemo, useRef, useState } from "react";
import { momentQuery } from "@/api/past";
import type { StreamState } from "@/api/stream";
import { useFormat } from "@/app/look";
import { Histogram } from "@/components/plots/histogram";
import { Playhead } from "@/components/plots/playhead";
import { ProblemPanel, SkeletonRows } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { pastTexts } from "@/i18n/past";
import { timeIn } from "@/lib/at";
import { parseQuery, writeQuery } from "@/lib/query-language";
import { useShortcut } from "@/lib/shortcuts";
import { useSeries } from "./categories";
import { type Asked, askedOf, type Item, itemId, merged, narrowed, windowOf } from "./model";
import { NothingHere } from "./nothing-here";
import { Peek } from "./peek";
import { histogramQuery, type Sought, timelineQuery } from "./queries";
import type { AuditSearch, Change } from "./search";
import { ThenLine } from "./then-line";
import { type ListHandle, TimelineList } from "./timeline-list";
import { useTail } from "./use-tail";

interface TimelineViewProps {
  search: AuditSearch;
  change: Change;
  /** Conditions that stand beside those of the search. */
  also?: Asked;
  /** Draws the page around it, with the state of the stream and the latest position. */
  children: (state: StreamState | "paused", latest: number | null, view: ReactNode) => ReactNode;
}

/** The list, how much there was when, and the chosen event beside it; followed while it is open. */
export function TimelineView({ search, change, also, children }: TimelineViewProps) {
  const m = useMessages(auditTexts, pastTexts);
  const format = useFormat();
  const navigate = useNavigate();
  const { q = "", view = "all", span = "24h", from, to, e = "", at = "" } = search;
  const live = search.live !== "off";
  const sought = useMemo<Sought>(
    () => ({ asked: { ...narrowed(view, askedOf(q).asked), ...also }, span, window: windowOf(from, to) }),
    [q, view, span, from, to, also],
  );
  const [atTop, setAtTop] = useState(true);
  const hold = !live || !atTop;
  const moment = useQuery({ ...momentQuery(at), enabled: at !== "" });
  const then = at && moment.data && !moment.error ? moment.data : null;
  const pages = useInfiniteQuery({
    ...timelineQuery(sought, then ? then.position : null),
    enabled: at === "" || then !== null,
  });
  const histogram = useQuery(histogramQuery(sought, live && sought.window === null));
  const tail = useTail({
    asked: sought.asked,
    head: pages.data?.pages[0]?.head,
    enabled: sought.window === null && at === "",
    hold,
  });
  const loaded = useMemo(() => pages.data?.pages.flatMap((page) => page.data) ?? [], [pages.data]);
  const items = useMemo(() => (at ? loaded : merged(tail.list.shown, loaded)), [at, tail.list.shown, loaded]);
  const fresh = useMemo(() => new Set(tail.list.shown.map(itemId)), [tail.list.shown]);
  const chosen = useMemo(() => items.find((item) => itemId(item) === e), [items, e]);
  const list = useRef<ListHandle>(null);
  const series = useSeries();

  const select = useCallback((item: Item) => change({ e: itemId(item) }, { replace: true }), [change]);
  const go = useCallback((id: string) => change({ e: id }, { replace: true }), [change]);
  const close = useCallback(() => change({ e: "" }, { replace: true }), [change]);
  const open = useCallback(
    (item: Item) => {
      if (item.kind === "fact")
        void navigate({ to: "/admin/audit/$position", params: { position: String(item.position) } });
    },
    [navigate],
  );
  const { hasNextPage, isFetchingNextPage, fetchNextPage, error } = pages;
  const more = useCallback(() => {
    if (hasNextPage && !isFetchingNextPage && !error) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage, error]);
  const term = useCallback(
    (key: string, value: string, not: boolean) =>
      change({ q: writeQuery([...parseQuery(q), { key, value, op: "", not }]) }),
    [change, q],
  );
  useShortcut("j", () => list.current?.step(1));
  useShortcut("k", () => list.current?.step(-1));
  useShortcut("l", () => change({ live: live ? "off" : "on" }, { replace: true }));
  const showNew = () => {
    tail.release();
    list.current?.toTop();
  };
  const reload = () => {
    tail.forget();
    void pages.refetch();
  };
  const bins = useMemo(
    () => histogram.data?.data.map(({ at, counts }) => ({ at: Date.parse(at), counts })) ?? [],
    [histogram.data],
  );
  const latest = Math.max(
    Number.parseInt(pages.data?.pages[0]?.head ?? "0", 10),
    ...tail.list.shown.slice(0, 1).map(({ position }) => position),
    ...tail.list.waiting.slice(0, 1).map(({ position }) => position),
  );
  const waiting = at ? 0 : tail.list.waiting.length;
  const shownAt = timeIn(at) ?? (then?.recordedAt ? Date.parse(then.recordedAt) : null);
  const first = bins[0]?.at;
  const last = bins.at(-1)?.at;
  const move = (time: number | null) =>
    change({ at: time === null ? "" : new Date(time).toISOString() }, { replace: true });
  const said = (time: number | null) =>
    time === null
      ? m.past.atNow
      : `${then && time === shownAt ? `#${format.number(then.position)} · ` : ""}${format.date(new Date(time))} ${format.time(new Date(time))}`;

  return children(
    tail.state,
    latest || null,
    <>
      <div className="border-line border-b px-4 pb-1.5">
        <div className="relative min-h-15.5">
          {histogram.data && first !== undefined && last !== undefined ? (
            <Playhead
              from={first}
              to={last + histogram.data.stepMs}
              step={histogram.data.stepMs}
              at={shownAt}
              label={m.past.playhead}
              said={said}
              onMove={move}
            />
          ) : null}
          {histogram.data ? (
            <Histogram
              label={m.audit.histogram}
              series={series}
              bins={bins}
              step={histogram.data.stepMs}
              until={shownAt ?? undefined}
              onBrush={(first, last) =>
                change({ from: new Date(first).toISOString(), to: new Date(last).toISOString() })
              }
            />
          ) : histogram.error ? (
            <ProblemPanel error={histogram.error} onRetry={() => histogram.refetch()} />
          ) : (
            <div className="skeleton h-11" />
          )}
        </div>
        <p className="text-2xs text-ink-3">
          {histogram.data ? m.audit.total(format.number(histogram.data.total)) : null}
        </p>
      </div>
      {at ? <ThenLine at={at} position={then?.position ?? null} onNow={() => change({ at: "" })} /> : null}
      <div className="flex min-h-0 flex-1">
        <div className="relative flex min-w-0 flex-1 flex-col">
          {tail.list.gap ? (
            <Notice
              tone="warn"
              announce
              className="rounded-none"
              end={<Button onClick={reload}>{m.common.reload}</Button>}
            >
              {m.audit.gap}
            </Notice>
          ) : null}
          <p role="status" className="sr-only">
            {waiting > 0 ? m.audit.fresh(format.number(waiting)) : ""}
          </p>
          {waiting > 0 ? (
            <Button
              tone="primary"
              onClick={showNew}
              className="absolute top-18 left-1/2 z-20 -translate-x-1/2 rounded-full shadow-pop"
            >
              <ArrowUp aria-hidden />
              {m.audit.fresh(format.number(waiting))}
            </Button>
          ) : null}
          {moment.error ? null : pages.isPending ? (
            <SkeletonRows />
          ) : pages.data === undefined ? (
            <ProblemPanel error={error} onRetry={() => pages.refetch()} className="m-4" />
          ) : items.length === 0 ? (
            <NothingHere search={search} change={change} />
          ) : (
            <TimelineList
              ref={list}
              items={items}
              selected={e}
              onSelect={select}
              onOpen={open}
              onEnd={more}
              onTop={setAtTop}
              narrow={e !== ""}
              fresh={fresh}
            />
          )}
          {error && pages.data ? (
            <Notice
              tone="bad"
              announce
              end={<Button onClick={() => fetchNextPage()}>{m.common.retry}</Button>}
            >
              {m.audit.older}
            </Notice>
          ) : null}
        </div>
        {e ? <Peek key={e} id={e} item={chosen} onGo={go} onClose={close} onTerm={term} /> : null}
      </div>
    </>,
  );
}
