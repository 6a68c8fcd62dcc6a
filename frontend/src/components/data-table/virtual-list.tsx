import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useRef } from "react";
import { cn } from "@/lib/cn";

interface VirtualListProps<Item> {
  label: string;
  items: Item[];
  itemId: (item: Item) => string;
  /** Pixels; measured when it turns out to be something else. */
  estimate: number;
  children: (item: Item, index: number) => ReactNode;
  className?: string;
}

/** A long list of anything, drawn only where it is seen. */
export function VirtualList<Item>({
  label,
  items,
  itemId,
  estimate,
  children,
  className,
}: VirtualListProps<Item>) {
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => estimate,
    getItemKey: (index) => {
      const item = items[index];
      return item === undefined ? index : itemId(item);
    },
    overscan: 8,
  });
  return (
    <div
      ref={scroller}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
      tabIndex={0}
      role="region"
      aria-label={label}
      className={cn("scroll-thin overflow-auto focus-visible:-outline-offset-2", className)}
    >
      <ul className="relative" style={{ height: virtual.getTotalSize() }}>
        {virtual.getVirtualItems().map((row) => {
          const item = items[row.index];
          return item === undefined ? null : (
            <li
              key={row.key}
              ref={virtual.measureElement}
              data-index={row.index}
              className="absolute inset-x-0 top-0"
              style={{ transform: `translateY(${row.start}px)` }}
            >
              {children(item, row.index)}
            </li>
          );
        })}
      </ul>
    </div>
  );
}
