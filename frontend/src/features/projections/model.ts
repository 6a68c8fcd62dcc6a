import type { ProjectionView, WorkView } from "@/api/schema.gen";

/** What the hub says of its read tables, whenever it is something else. */
export interface Said {
  data: ProjectionView[];
  work: WorkView | null;
}

/** How much of a work is done, 0 to 1; null while nobody knows of how much. */
export function share({ running, position, head }: WorkView): number | null {
  if (!running) return 1;
  return head > 0 ? Math.min(position / head, 1) : null;
}

/** Tables that the last check found to be something else than a rebuild makes. */
export function different(tables: readonly ProjectionView[]): string[] {
  return tables.filter(({ checked }) => checked && !checked.equal).map(({ name }) => name);
}

/** Was every table compared, and is every one what a rebuild makes? */
export function allEqual(tables: readonly ProjectionView[]): boolean {
  return tables.length > 0 && tables.every(({ checked }) => checked?.equal);
}
