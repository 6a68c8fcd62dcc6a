import { useVirtualizer } from "@tanstack/react-virtual";
import {
  type KeyboardEvent,
  type Ref,
  type UIEvent,
  useCallback,
  useEffect,
  useId,
  useImperativeHandle,
  useMemo,
  useRef,
} from "react";
import { useFormat, useLook } from "@/app/look";
import { InRow } from "@/components/in-row";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { cn } from "@/lib/cn";
import { type Entry, entriesOf, type Item, traceOf } from "./model";
import { TimelineRow, TRACKS } from "./timeline-row";

export interface ListHandle {
  toTop: () => void;
  step: (by: number) => void;
}

interface TimelineListProps {
  items: Item[];
  selected: string;
  onSelect: (item: Item) => void;
  onOpen: (item: Item) => void;
  onEnd: () => void;
  /** Told when the top comes into sight or leaves it. */
  onTop: (atTop: boolean) => void;
  /** Without the column of subjects: there is a panel beside it. */
  narrow: boolean;
  /** Ids of rows that came while the page was open. */
  fresh: ReadonlySet<string>;
  ref?: Ref<ListHandle>;
}

const ROW = { comfortable: 34, compact: 28 }; // pixels, as --row in styles.css
const DAY = 28;
const NEAR_END = 30; // rows

/** The rows, drawn only where they are seen, under the day they are of. Arrows move, Enter opens. */
export function TimelineList(props: TimelineListProps) {
  const { items, selected, onSelect, onOpen, onEnd, onTop, narrow, fresh, ref } = props;
  const m = useMessages(auditTexts);
  const format = useFormat();
  const { density } = useLook();
  const scroller = useRef<HTMLDivElement>(null);
  const prefix = useId();
  const entries = useMemo(() => entriesOf(items, format.date), [items, format]);
  const at = useMemo(() => entries.findIndex((entry) => entry.id === selected), [entries, selected]);
  const chosen = entries[at];
  const trace = chosen && "item" in chosen ? traceOf(chosen.item) : "";

  // Another function would make it reckon the places of all rows anew, with every step of a scroll.
  const estimateSize = useCallback(
    (index: number) => (isDay(entries[index]) ? DAY : ROW[density]),
    [entries, density],
  );
  const getItemKey = useCallback((index: number) => entries[index]?.id ?? index, [entries]);
  const virtual = useVirtualizer({
    count: entries.length,
    getScrollElement: () => scroller.current,
    estimateSize,
    getItemKey,
    overscan: 16,
    scrollPaddingStart: 32 + DAY,
  });
  useEffect(() => {
    if (ROW[density] && entries) virtual.measure();
  }, [density, entries, virtual]);

  const rows = virtual.getVirtualItems();
  const last = rows.at(-1)?.index ?? -1;
  useEffect(() => {
    if (entries.length > 0 && last >= entries.length - NEAR_END) onEnd();
  }, [last, entries.length, onEnd]);

  const step = (by: number, from = at) => {
    let index = from < 0 ? (by > 0 ? 0 : entries.length - 1) : from + by;
    while (isDay(entries[index])) index += by < 0 ? -1 : 1;
    const entry = entries[index];
    if (!entry || isDay(entry)) return;
    onSelect(entry.item);
    virtual.scrollToIndex(index);
  };
  useImperativeHandle(ref, () => ({
    toTop: () => scroller.current?.scrollTo({ top: 0 }),
    step,
  }));
  const onKey = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.metaKey || event.ctrlKey || event.altKey) return;
    const moves: Record<string, () => void> = {
      ArrowDown: () => step(1),
      ArrowUp: () => step(-1),
      Home: () => step(1, -1),
      End: () => step(-1, entries.length),
      Enter: () => chosen && "item" in chosen && onOpen(chosen.item),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  };
  const top = useRef(true);
  const onScroll = ({ currentTarget }: UIEvent<HTMLDivElement>) => {
    const now = currentTarget.scrollTop < 8;
    if (now === top.current) return;
    top.current = now;
    onTop(now);
  };
  // The day of the topmost row that is seen stands under the header, whichever row began it.
  const offset = virtual.scrollOffset ?? 0;
  const firstSeen = rows.find((row) => row.end > offset);
  const day = dayAt(entries, firstSeen?.index ?? 0);
  const columns = narrow ? NARROW_COLUMNS : COLUMNS;

  return (
    <div
      ref={scroller}
      role="grid"
      aria-label={m.audit.list}
      aria-rowcount={entries.length + 1}
      aria-activedescendant={at >= 0 ? `${prefix}-${at}` : undefined}
      tabIndex={0}
      onKeyDown={onKey}
      onScroll={onScroll}
      className="scroll-thin relative min-h-80 flex-1 basis-0 overflow-auto focus-visible:-outline-offset-2"
    >
      <div className="sticky top-0 z-10 bg-canvas">
        <div
          role="row"
          aria-rowindex={1}
          className={cn(TRACKS, "h-8 border-line border-b text-2xs text-ink-3", narrow && "narrow")}
        >
          {columns.map((id) => (
            <div
              key={id}
              role="columnheader"
              className={cn(HEADS[id], narrow && id === "actor" && "max-xl:hidden")}
            >
              <span className={id === "trace" || id === "category" ? "sr-only" : undefined}>
                {m.audit.columns[id]}
              </span>
            </div>
          ))}
        </div>
        {entries.length > 0 ? (
          <div
            aria-hidden
            className="absolute inset-x-0 top-8 flex h-7 items-center border-line border-b bg-sunken px-4 font-mono font-semibold text-2xs"
          >
            {day}
          </div>
        ) : null}
      </div>
      <InRow value>
        <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
          {rows.map((row) => {
            const entry = entries[row.index];
            if (!entry) return null;
            return isDay(entry) ? (
              <div
                key={row.key}
                role="row"
                aria-rowindex={row.index + 2}
                className="absolute inset-x-0 top-0 flex h-7 items-center border-line border-b bg-sunken px-4 font-mono font-semibold text-2xs"
                style={{ transform: `translateY(${row.start}px)` }}
              >
                <span role="gridcell" aria-colspan={columns.length}>
                  {entry.day}
                </span>
              </div>
            ) : (
              <TimelineRow
                key={row.key}
                id={`${prefix}-${row.index}`}
                index={row.index + 2}
                start={row.start}
                item={entry.item}
                joint={entry.joint}
                selected={row.index === at}
                related={trace !== "" && traceOf(entry.item) === trace}
                fresh={fresh.has(entry.id)}
                narrow={narrow}
                onSelect={onSelect}
                onOpen={onOpen}
              />
            );
          })}
        </div>
      </InRow>
    </div>
  );
}

const COLUMNS = ["position", "time", "trace", "category", "actor", "sentence", "subject"] as const;
const NARROW_COLUMNS = COLUMNS.slice(0, -1);
const HEADS: Record<(typeof COLUMNS)[number], string> = {
  position: "text-right",
  time: "",
  trace: "",
  category: "",
  actor: "max-md:hidden",
  sentence: "",
  subject: "text-right max-xl:hidden",
};

function isDay(entry: Entry | undefined): entry is Extract<Entry, { day: string }> {
  return entry !== undefined && "day" in entry;
}

function dayAt(entries: Entry[], index: number): string {
  for (let at = index; at >= 0; at--) {
    const entry = entries[at];
    if (isDay(entry)) return entry.day;
  }
  return "";
}
