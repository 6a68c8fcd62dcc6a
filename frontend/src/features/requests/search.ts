// Part of the entry, as all addresses are: nothing but the schema.
import * as v from "valibot";

const text = v.optional(v.fallback(v.string(), ""));
const flag = <V extends string>(value: V) => v.optional(v.fallback(v.picklist([value, ""]), ""));

/** What of the page stands in its address. */
export const requestsSearch = v.object({
  q: text,
  span: v.optional(v.fallback(v.picklist(["15m", "1h", "3h", "24h", "7d", "30d"]), "3h")),
  from: text,
  to: text,
  view: v.optional(v.fallback(v.picklist(["requests", "tool", "server", "user"]), "requests")),
  compare: flag("on"),
  live: flag("off"),
  lines: text,
  sort: text,
  e: text,
});

export type RequestsSearch = v.InferOutput<typeof requestsSearch>;
export type Change = (wanted: Partial<RequestsSearch>, options?: { replace?: boolean }) => void;
