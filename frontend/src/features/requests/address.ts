import { parseQuery } from "@/lib/query-language";
import type { SpanName, Window } from "./model";
import type { RequestsSearch } from "./search";

/** The period an address says; a stretch that cannot be one is passed over. */
export function rangeOf({ span, from, to }: RequestsSearch): { span: SpanName } | Window {
  const window = { from: new Date(from ?? ""), to: new Date(to ?? "") };
  if (window.from.getTime() < window.to.getTime()) return window;
  return { span: span ?? "3h" };
}

/** Is this only what everybody sees who opens the page? */
export function isNarrowed({ q }: RequestsSearch): boolean {
  return parseQuery(q ?? "").length > 0;
}

/** Without what is as it is anyway, so that addresses stay short. */
export function cleaned<T extends object>(search: T): T {
  const standing = Object.entries(search).filter(
    ([key, value]) => value && DEFAULTS[key as keyof typeof DEFAULTS] !== value,
  );
  return Object.fromEntries(standing) as T;
}

const DEFAULTS = { span: "3h", view: "requests" } as const;
