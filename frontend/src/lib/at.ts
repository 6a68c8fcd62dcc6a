// Part of the entry, as all addresses are: nothing but the schema.
import * as v from "valibot";

/** `?at=`, the time a page shows the state of: a position, or a time with its zone; "" for now. */
export const atSearch = v.optional(
  v.fallback(v.pipe(v.union([v.string(), v.number()]), v.transform(String)), ""),
);

/** The present again: everything of the address but the time. */
export function toNow<S extends { at?: string | undefined }>({ at: _, ...rest }: S): Omit<S, "at"> {
  return rest;
}

/** The moment a time of the address names, when it is no position; null for a position, and for what is none. */
export function timeIn(at: string): number | null {
  if (/^#?\d+$/.test(at)) return null;
  const time = Date.parse(at);
  return Number.isNaN(time) ? null : time;
}
