import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown } from "lucide-react";
import {
  type KeyboardEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { useFormat } from "@/app/look";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { logsTexts } from "@/i18n/logs";
import { cn } from "@/lib/cn";
import { LogText } from "./line";
import type { Line } from "./model";

const LINE = 22; // pixels, when it is not wrapped
const NEAR_END = 30; // pixels from the newest line that count as there

interface LinesListProps {
  lines: Line[];
  wrap: boolean;
  selected: string;
  onSelect: (line: Line | null) => void;
  onOpen: (line: Line) => void;
  /** Above the oldest line. */
  top: ReactNode;
}

/** Lines, the newest at the end; it stays at the end until somebody scrolls up, and says how many came since. */
export function LinesList({ lines, wrap, selected, onSelect, onOpen, top }: LinesListProps) {
  const m = useMessages(logsTexts);
  const format = useFormat();
  const prefix = useId();
  const scroller = useRef<HTMLDivElement>(null);
  const [atEnd, setAtEnd] = useState(true);
  const [seen, setSeen] = useState("");
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => LINE,
    getItemKey: (index) => lines[index]?.id ?? index,
    overscan: 20,
  });
  const last = lines.at(-1)?.id ?? "";
  const first = useRef("");

  const toEnd = useCallback(() => {
    if (lines.length > 0) virtual.scrollToIndex(lines.length - 1, { align: "end" });
    setAtEnd(true);
  }, [virtual, lines.length]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another last line, or other heights
  useLayoutEffect(() => {
    if (atEnd) toEnd();
  }, [last, wrap]);

  // Older lines push everything down: whoever reads stays where they are.
  useLayoutEffect(() => {
    const before = first.current;
    first.current = lines[0]?.id ?? "";
    if (atEnd || before === "" || before === first.current) return;
    const at = lines.findIndex(({ id }) => id === before);
    if (at > 0) virtual.scrollToIndex(at, { align: "start" });
  }, [lines, atEnd, virtual]);

  useEffect(() => {
    if (atEnd) setSeen(last);
  }, [atEnd, last]);
  const seenAt = atEnd ? -1 : lines.findLastIndex(({ id }) => id === seen);
  const missed = atEnd || seenAt < 0 ? 0 : lines.length - 1 - seenAt;

  const chosen = lines.findIndex(({ id }) => id === selected);
  const move = (to: number) => {
    const at = Math.max(0, Math.min(lines.length - 1, to));
    const line = lines[at];
    if (!line) return;
    onSelect(line);
    setAtEnd(at === lines.length - 1);
    virtual.scrollToIndex(at, { align: "auto" });
  };
  const pressed = (event: KeyboardEvent) => {
    const moves: Record<string, number> = {
      ArrowDown: chosen + 1,
      j: chosen + 1,
      ArrowUp: chosen < 0 ? lines.length - 1 : chosen - 1,
      k: chosen < 0 ? lines.length - 1 : chosen - 1,
      Home: 0,
      End: lines.length - 1,
    };
    const to = moves[event.key];
    const line = lines[chosen];
    if (to !== undefined && !event.metaKey && !event.ctrlKey) move(to);
    else if (event.key === "Enter" && line) onOpen(line);
    else if (event.key === "Escape" && line) onSelect(null);
    else return;
    event.preventDefault();
  };

  return (
    <div className="relative flex min-h-0 min-w-0 flex-1 flex-col">
      {top}
      <div
        ref={scroller}
        role="listbox"
        aria-label={m.logs.title}
        tabIndex={0}
        aria-activedescendant={chosen >= 0 ? `${prefix}${chosen}` : undefined}
        onKeyDown={pressed}
        onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) =>
          setAtEnd(scrollHeight - scrollTop - clientHeight < NEAR_END)
        }
        className="scroll-thin min-h-0 flex-1 overflow-auto py-1 focus-visible:-outline-offset-2"
      >
        <div role="presentation" className="relative" style={{ height: virtual.getTotalSize() }}>
          {virtual.getVirtualItems().map(({ index, key, start }) => {
            const line = lines[index];
            return line === undefined ? null : (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the list around it takes the keys of all lines
              <div
                key={key}
                ref={virtual.measureElement}
                data-index={index}
                id={`${prefix}${index}`}
                role="option"
                aria-selected={index === chosen}
                aria-setsize={lines.length}
                aria-posinset={index + 1}
                onClick={() => onSelect(line)}
                onDoubleClick={() => onOpen(line)}
                className={cn(
                  "absolute inset-x-0 top-0 cursor-default hover:bg-raised",
                  index === chosen && "bg-accent-soft hover:bg-accent-soft",
                )}
                style={{ transform: `translateY(${start}px)` }}
              >
                <LogText line={line} wrap={wrap} />
              </div>
            );
          })}
        </div>
      </div>
      {atEnd ? null : (
        <Button tone="on" className="absolute right-6 bottom-4 shadow-pop" onClick={toEnd}>
          <ArrowDown aria-hidden />
          {missed > 0 ? m.common.newRows(format.number(missed)) : m.logs.toEnd}
        </Button>
      )}
    </div>
  );
}
