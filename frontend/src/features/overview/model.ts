import type { Figures, HealthCheck } from "@/api/schema.gen";

/** Seconds of each period, and of a bin of it; the page of requests counts in the same. */
export const SPANS = {
  "1h": { seconds: 3600, step: 30 },
  "24h": { seconds: 86_400, step: 900 },
  "7d": { seconds: 604_800, step: 7200 },
} as const;
export type SpanName = keyof typeof SPANS;

export interface Window {
  from: Date;
  to: Date;
}

/** The last so long, from a bin's beginning on. */
export function windowOf(span: SpanName, now: Date): Window {
  const { seconds, step } = SPANS[span];
  const since = now.getTime() / 1000 - seconds;
  return { from: new Date(Math.floor(since / step) * step * 1000), to: now };
}

export interface Bin {
  at: number;
  counts: Record<"ok" | "cancelled" | "denied" | "toolErrors" | "errors", number>;
}

/** How calls ended over time; every bin is there, also one in which nothing happened. */
export function binsOf(figures: Figures[], { from, to }: Window, step: number): Bin[] {
  const known = new Map(figures.map((one) => [one.at ? Date.parse(one.at) : 0, one]));
  const bins: Bin[] = [];
  for (let at = from.getTime(); at < to.getTime(); at += step * 1000) {
    const { count = 0, errors = 0, toolErrors = 0, denied = 0, cancelled = 0 } = known.get(at) ?? {};
    const ok = count - errors - toolErrors - denied - cancelled;
    bins.push({ at, counts: { errors, toolErrors, denied, cancelled, ok } });
  }
  return bins;
}

const ORDER: HealthCheck["status"][] = ["error", "warning", "ok"];

/** What is not well first. */
export function worstFirst(checks: HealthCheck[]): HealthCheck[] {
  return checks.toSorted((one, other) => ORDER.indexOf(one.status) - ORDER.indexOf(other.status));
}
