import {
  type ColumnDef,
  createSortedRowModel,
  type RowData,
  rowSortingFeature,
  type SortingState,
  sortFn_basic,
  tableFeatures,
  useTable,
} from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ArrowDown, ArrowUp } from "lucide-react";
import {
  type KeyboardEvent,
  type ReactNode,
  useCallback,
  useEffect,
  useId,
  useMemo,
  useRef,
  useState,
} from "react";
import { useLook } from "@/app/look";
import { InRow } from "@/components/in-row";
import { cn } from "@/lib/cn";
import { cellClass, GridRow, LINE } from "./grid-row";

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { basic: sortFn_basic },
});

export interface Column<Row extends RowData> {
  id: string;
  header: string;
  /** Its name is read aloud only: a column of buttons. */
  hideHeader?: boolean;
  /** A track of a CSS grid: `96px`, `minmax(0,1fr)`, `auto` is not one. */
  width: string;
  /** Numbers are right-aligned. */
  align?: "left" | "right";
  /** What it is sorted by here; without it the column is in the order the hub gave. */
  sortBy?: (row: Row) => string | number | null | undefined;
  cell: (row: Row) => ReactNode;
  className?: string;
}

export interface Sort {
  id: string;
  desc: boolean;
}

interface DataTableProps<Row extends RowData> {
  /** Names the table for readers of the screen. */
  label: string;
  columns: Column<Row>[];
  rows: Row[];
  rowId: (row: Row) => string;
  /** The chosen row; a page keeps it in the address. */
  selected?: string | null;
  onSelect?: (row: Row) => void;
  /** Enter, or a second press. */
  onOpen?: (row: Row) => void;
  /** Kept in the address by the page; without it the table remembers by itself. */
  sort?: Sort | null;
  onSort?: (sort: Sort | null) => void;
  /** Near the end of the rows: time to ask for more. */
  onEnd?: () => void;
  /** How the row looks beside being a row: a new one, a failed one. */
  rowClass?: (row: Row) => string | undefined;
  empty?: ReactNode;
  /** Without one the table is as high as its rows, up to the screen; `fill` takes what is left of the page. */
  height?: "fill" | number;
  className?: string;
}

const ROW = { comfortable: 34, compact: 28 }; // pixels, as --row in styles.css
const NEAR_END = 20; // rows

/**
 * Rows of one kind, sorted, walked by keyboard, drawn only where they are seen: ten thousand cost as much as forty.
 * Arrows or j and k move, Enter opens, Home and End go to the ends.
 */
export function DataTable<Row extends RowData>(props: DataTableProps<Row>) {
  const {
    label,
    columns,
    rows,
    rowId,
    selected,
    onSelect,
    onOpen,
    onEnd,
    rowClass,
    empty,
    height,
    className,
  } = props;
  const { density } = useLook();
  const [ownSort, setOwnSort] = useState<Sort | null>(null);
  const sort = props.onSort ? (props.sort ?? null) : ownSort;
  const setSort = props.onSort ?? setOwnSort;
  const scroller = useRef<HTMLDivElement>(null);
  const prefix = useId();

  const definitions = useMemo(
    () =>
      columns.map(
        (column): ColumnDef<typeof features, Row, unknown> => ({
          id: column.id,
          header: column.header,
          accessorFn: (row) => column.sortBy?.(row) ?? undefined,
          enableSorting: column.sortBy !== undefined,
          sortFn: "basic",
          sortUndefined: "last",
        }),
      ),
    [columns],
  );
  const sorting: SortingState = useMemo(() => (sort ? [sort] : []), [sort]);
  const table = useTable({ features, columns: definitions, data: rows, getRowId: rowId, state: { sorting } });
  const shown = table.getRowModel().rows;

  // Another function would make it reckon the places of all rows anew, with every step of a scroll.
  const estimateSize = useCallback(() => ROW[density], [density]);
  const getItemKey = useCallback((index: number) => shown[index]?.id ?? index, [shown]);
  const virtual = useVirtualizer({
    count: shown.length,
    getScrollElement: () => scroller.current,
    estimateSize,
    getItemKey,
    overscan: 12,
  });
  useEffect(() => {
    if (ROW[density]) virtual.measure();
  }, [density, virtual]);

  const items = virtual.getVirtualItems();
  const lastSeen = items.at(-1)?.index ?? -1;
  useEffect(() => {
    if (onEnd && shown.length > 0 && lastSeen >= shown.length - NEAR_END) onEnd();
  }, [onEnd, lastSeen, shown.length]);

  const at = shown.findIndex((row) => row.id === selected);
  const go = (index: number) => {
    const row = shown[Math.min(Math.max(index, 0), shown.length - 1)];
    if (!row) return;
    onSelect?.(row.original);
    virtual.scrollToIndex(row.index === index ? index : shown.indexOf(row));
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget || event.metaKey || event.ctrlKey || event.altKey) return;
    const here = at >= 0 ? shown[at] : undefined;
    const moves: Record<string, () => void> = {
      ArrowDown: () => go(at + 1),
      j: () => go(at + 1),
      ArrowUp: () => go(at < 0 ? 0 : at - 1),
      k: () => go(at < 0 ? 0 : at - 1),
      Home: () => go(0),
      End: () => go(shown.length - 1),
      Enter: () => here && onOpen?.(here.original),
    };
    const move = moves[event.key];
    if (!move || (!onSelect && event.key !== "Enter")) return;
    event.preventDefault();
    move();
  };

  const tracks = columns.map((column) => column.width).join(" ");
  const nextSort = (id: string): Sort | null => {
    if (sort?.id !== id) return { id, desc: false };
    return sort.desc ? null : { id, desc: true };
  };

  const grid = (
    <div
      ref={scroller}
      role="grid"
      aria-label={label}
      aria-rowcount={shown.length + 1}
      aria-activedescendant={at >= 0 ? `${prefix}-${at}` : undefined}
      tabIndex={0}
      onKeyDown={onKey}
      className={cn(
        "scroll-thin relative overflow-auto focus-visible:-outline-offset-2",
        height === "fill" && shown.length > 0 ? "min-h-0 flex-1 basis-0" : "max-h-[70vh]",
        className,
      )}
      style={typeof height === "number" ? { height } : undefined}
    >
      <div className="min-w-fit">
        <div
          role="row"
          aria-rowindex={1}
          className={cn(LINE, "sticky top-0 z-10 h-8 bg-canvas text-2xs text-ink-3")}
          style={{ gridTemplateColumns: tracks }}
        >
          {columns.map((column) => {
            const sorted = sort?.id === column.id ? (sort.desc ? "descending" : "ascending") : undefined;
            return (
              <div key={column.id} role="columnheader" aria-sort={sorted} className={cellClass(column)}>
                {column.sortBy ? (
                  <button
                    type="button"
                    className={cn(
                      "inline-flex items-center gap-1 rounded hover:text-ink",
                      sorted && "text-ink",
                    )}
                    onClick={() => setSort(nextSort(column.id))}
                  >
                    {column.header}
                    {sorted === "ascending" ? <ArrowUp className="size-3" aria-hidden /> : null}
                    {sorted === "descending" ? <ArrowDown className="size-3" aria-hidden /> : null}
                  </button>
                ) : (
                  <span className={column.hideHeader ? "sr-only" : undefined}>{column.header}</span>
                )}
              </div>
            );
          })}
        </div>
        {shown.length === 0 ? null : (
          <InRow value>
            <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
              {items.map((item) => {
                const row = shown[item.index];
                return row ? (
                  <GridRow
                    key={item.key}
                    id={`${prefix}-${item.index}`}
                    index={item.index + 2}
                    start={item.start}
                    rowId={row.id}
                    row={row.original}
                    columns={columns}
                    tracks={tracks}
                    selected={onSelect ? row.id === selected : undefined}
                    onSelect={onSelect}
                    onOpen={onOpen}
                    className={rowClass?.(row.original)}
                  />
                ) : null;
              })}
            </div>
          </InRow>
        )}
      </div>
    </div>
  );
  return shown.length === 0 ? (
    <div className={cn("flex flex-col", height === "fill" && "min-h-0 flex-1")}>
      {grid}
      {empty}
    </div>
  ) : (
    grid
  );
}
