import { type Column, DataTable } from "@/components/data-table/data-table";
import { EmptyState, Loaded, type QueryLike, SkeletonRows } from "@/components/states";
import { useMessages } from "@/i18n";
import { pastTexts } from "@/i18n/past";

interface ThenTableProps<Row extends { id: string }> {
  label: string;
  columns: Column<Row>[];
  /** The rows that have come so far, as `usePages` has them. */
  pages: { query: QueryLike<Row[]>; more: () => void };
  /** Something was looked for. */
  sought?: boolean;
}

/** Rows of an earlier time. */
export function ThenTable<Row extends { id: string }>({
  label,
  columns,
  pages,
  sought,
}: ThenTableProps<Row>) {
  const m = useMessages(pastTexts);
  return (
    <Loaded query={pages.query} skeleton={<SkeletonRows rows={10} />}>
      {(rows) => (
        <DataTable
          label={label}
          columns={columns}
          rows={rows}
          rowId={({ id }) => id}
          onEnd={pages.more}
          empty={<EmptyState title={sought ? m.past.noMatch : m.past.nothing} />}
          className="-mx-4.5"
        />
      )}
    </Loaded>
  );
}
