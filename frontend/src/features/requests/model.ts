import type { Figures, LeftOutView, RequestView } from "@/api/schema.gen";
import { parseDuration, parseQuery, type Term } from "@/lib/query-language";

export const STATUSES = [
  "Pending",
  "Completed",
  "Failed",
  "TimedOut",
  "Cancelled",
  "Denied",
  "Interrupted",
] as const;
export type Status = (typeof STATUSES)[number];

export const SPANS = {
  "15m": 900,
  "1h": 3600,
  "3h": 10_800,
  "24h": 86_400,
  "7d": 604_800,
  "30d": 2_592_000,
} as const; // seconds
export type SpanName = keyof typeof SPANS;

/** What the hub can be asked for; everybody's only of administrators and auditors. */
export interface Filters {
  user?: string;
  session?: string;
  server?: string;
  tool?: string;
  method?: string;
  status?: Status;
  latency?: number;
  is?: Is;
}

/** `tool_error`: answered, with an error of the tool itself; `error`: that, or it failed. */
export const IS = ["error", "tool_error"] as const;
export type Is = (typeof IS)[number];

/** A stretch of time, half-open. */
export interface Window {
  from: Date;
  to: Date;
}

const EXACT = ["user", "session", "server", "tool", "method"] as const;
export const KEYS = [...EXACT, "status", "is", "latency"] as const;

/** The filters a query says, and what of it the hub cannot be asked. */
export function filtersOf(text: string): { filters: Filters; unknown: Term[] } {
  const filters: Filters = {};
  const unknown: Term[] = [];
  for (const term of parseQuery(text)) {
    if (!take(filters, term)) unknown.push(term);
  }
  return { filters, unknown };
}

function take(filters: Filters, { key, value, op, not }: Term): boolean {
  if (not || op === "<=" || key === "" || value === "") return false;
  if (key === "latency") {
    const least = parseDuration(value);
    if (least === null) return false;
    filters.latency = least;
    return true;
  }
  if (op !== "") return false;
  if (key === "status") {
    const status = STATUSES.find((one) => one.toLowerCase() === value.toLowerCase());
    if (!status) return false;
    filters.status = status;
    return true;
  }
  if (key === "is") {
    const wanted = IS.find((one) => one === value.toLowerCase());
    if (!wanted) return false;
    filters.is = wanted;
    return true;
  }
  if (key === "session" && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(value)) return false;
  const exact = EXACT.find((one) => one === key);
  if (!exact) return false;
  filters[exact] = value;
  return true;
}

const MOST_BINS = 120;
const STEPS = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400]; // seconds

/** Seconds of a bucket, so that at most 120 cover the window. All divide a day, as the hub counts them from midnight. */
export function bucketOf({ from, to }: Window): number {
  const least = (to.getTime() - from.getTime()) / 1000 / MOST_BINS;
  return STEPS.find((step) => step >= least) ?? 86_400 * Math.ceil(least / 86_400);
}

/** The last so many seconds, from a bucket's beginning on; or what was chosen. */
export function windowOf(range: { span: SpanName } | Window, now: Date): Window {
  if ("from" in range) return range;
  const length = SPANS[range.span] * 1000;
  const step = bucketOf({ from: new Date(now.getTime() - length), to: now }) * 1000;
  return { from: new Date(Math.floor((now.getTime() - length) / step) * step), to: now };
}

/** As long, and just before. */
export function before({ from, to }: Window): Window {
  return { from: new Date(2 * from.getTime() - to.getTime()), to: from };
}

export interface Course {
  /** Beginnings of the buckets, seconds since 1970; each is there, also where nothing happened. */
  times: number[];
  points: (Figures | undefined)[];
}

/** Figures by time, with the buckets in which nothing ended. */
export function courseOf(figures: Figures[], window: Window, step: number): Course {
  const known = new Map(figures.map((one) => [one.at ? Date.parse(one.at) / 1000 : 0, one]));
  const first = Math.floor(window.from.getTime() / 1000 / step) * step;
  const times: number[] = [];
  for (let at = first; at * 1000 < window.to.getTime(); at += step) times.push(at);
  return { times, points: times.map((at) => known.get(at)) };
}

/** By how much a figure grew, as a fraction; null when there is nothing to compare with. */
export function growth(now: number | null | undefined, then: number | null | undefined): number | null {
  if (now == null || then == null || then === 0) return null;
  return now / then - 1;
}

/** Of all that ended, the part that a tool answered with an error of its own. */
export function toolErrorRate(figures: Figures | undefined): number {
  return figures && figures.count > 0 ? figures.toolErrors / figures.count : 0;
}

export interface Phase {
  name: "hub" | "wait" | "upstream" | "both";
  ms: number;
}

/**
 * Where a request's time went: the hub's own work, waiting for an upstream to be free, the upstream. Of a server that
 * did not answer only the whole is known.
 */
export function phasesOf({ durationMs, waitMs, upstreamMs, server, status }: RequestView): Phase[] {
  if (durationMs === null) return [];
  const wait = waitMs ?? 0;
  const upstream = upstreamMs ?? 0;
  if (upstream === 0 && server !== null && (status === "Failed" || status === "TimedOut")) {
    return [
      { name: "both" as const, ms: Math.max(durationMs - wait, 0) },
      { name: "wait" as const, ms: wait },
    ];
  }
  return [
    { name: "hub" as const, ms: Math.max(durationMs - wait - upstream, 0) },
    { name: "wait" as const, ms: wait },
    { name: "upstream" as const, ms: upstream },
  ];
}

export interface LeftOutLine {
  what: "items" | "servers" | "stale";
  reason: string;
  count: number;
}

/** What a list did not show, the most first. */
export function leftOutOf(leftOut: LeftOutView | null): LeftOutLine[] {
  if (leftOut === null) return [];
  return (["items", "servers", "stale"] as const)
    .flatMap((what) =>
      Object.entries(leftOut[what]).map(([reason, count]) => ({ what, reason, count: Number(count) })),
    )
    .sort((one, other) => other.count - one.count);
}

/** Items and whole servers that a list did not show; those shown by an older list are not counted. */
export function leftOutCount(leftOut: LeftOutView | null): number {
  return leftOutOf(leftOut)
    .filter(({ what }) => what !== "stale")
    .reduce((sum, { count }) => sum + count, 0);
}

/** JSON over several lines; a text that was cut, and is none any more, as it stands. */
export function laidOut(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
