import type { RowData } from "@tanstack/react-table";
import { memo } from "react";
import { cn } from "@/lib/cn";
import type { Column } from "./data-table";

/** One grid for the header and all rows. */
export const LINE = "grid items-center gap-x-3 border-line border-b px-4";

const CONTROLS = "a, button, input, label, [role=switch], [role=checkbox], [role^=menu]";

/** A press on a switch or a menu in a row is about that, and chooses no row. */
function isControl(target: EventTarget): boolean {
  return target instanceof Element && target.closest(CONTROLS) !== null;
}

export function cellClass<Row extends RowData>({ align, className }: Column<Row>): string {
  return cn("min-w-0 truncate", align === "right" && "text-right tabular-nums", className);
}

interface GridRowProps<Row extends RowData> {
  id: string;
  index: number;
  /** Pixels from the top of the rows. */
  start: number;
  rowId: string;
  row: Row;
  columns: Column<Row>[];
  tracks: string;
  /** Undefined where rows are not chosen. */
  selected: boolean | undefined;
  onSelect: ((row: Row) => void) | undefined;
  onOpen: ((row: Row) => void) | undefined;
  className: string | undefined;
}

function PlainGridRow<Row extends RowData>(props: GridRowProps<Row>) {
  const { id, index, start, rowId, row, columns, tracks, selected, onSelect, onOpen, className } = props;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid around it takes the keys of all rows
    <div
      id={id}
      role="row"
      aria-rowindex={index}
      aria-selected={selected}
      data-row={rowId}
      onClick={(event) => isControl(event.target) || onSelect?.(row)}
      onDoubleClick={(event) => isControl(event.target) || onOpen?.(row)}
      className={cn(
        LINE,
        "absolute inset-x-0 top-0 h-row",
        onSelect && "cursor-default hover:bg-raised",
        selected && "bg-accent-soft hover:bg-accent-soft",
        className,
      )}
      style={{ gridTemplateColumns: tracks, transform: `translateY(${start}px)` }}
    >
      {columns.map((column) => (
        <div key={column.id} role="gridcell" className={cellClass(column)}>
          {column.cell(row)}
        </div>
      ))}
    </div>
  );
}

/** Drawn once while it is in sight: scrolling draws the rows that come, and none of those that stay. */
export const GridRow = memo(PlainGridRow) as typeof PlainGridRow;
