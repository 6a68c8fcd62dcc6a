// Part of the entry, as all addresses are: nothing but the schema.
import * as v from "valibot";
import { atSearch } from "@/lib/at";

const VIEWS = ["all", "privilege", "tokens", "config", "failures"] as const;
const SPANS = ["1h", "24h", "7d", "30d", "all"] as const;

export type ViewName = (typeof VIEWS)[number];
export type SpanName = (typeof SPANS)[number];

const text = v.optional(v.fallback(v.string(), ""));

/** What of the page stands in its address. */
export const auditSearch = v.object({
  q: text,
  view: v.optional(v.fallback(v.picklist(VIEWS), "all")),
  span: v.optional(v.fallback(v.picklist(SPANS), "24h")),
  from: text,
  to: text,
  /** The time whose state is shown; what came later is not. */
  at: atSearch,
  live: v.optional(v.fallback(v.picklist(["on", "off"]), "on")),
  /** The chosen row: a position, or the id of a row of the access log. */
  e: v.optional(v.fallback(v.pipe(v.union([v.string(), v.number()]), v.transform(String)), "")),
});

export type AuditSearch = v.InferOutput<typeof auditSearch>;
export type Change = (wanted: Partial<AuditSearch>, options?: { replace?: boolean }) => void;

const DEFAULTS: Record<string, string> = { span: "24h", view: "all", live: "on" };

/** Without what is as it is anyway, so that addresses stay short. */
export function cleaned(search: AuditSearch): AuditSearch {
  return Object.fromEntries(
    Object.entries(search).filter(([key, value]) => value && DEFAULTS[key] !== value),
  ) as AuditSearch;
}
