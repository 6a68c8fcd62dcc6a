import { parseQuery, type Term } from "@/lib/query-language";

export const LEVELS = ["debug", "info", "warning", "error", "critical"] as const;
export type Level = (typeof LEVELS)[number];
export const KEYS = ["level", "source", "server", "request"] as const;
export const HIDDEN = "[hidden]"; // as the hub writes what it took out

/** What the hub is asked for. */
export interface Filters {
  level?: Level;
  source?: string;
  server?: string;
  request?: string;
  q?: string;
}

/** The filters a query says, and what of it the hub cannot be asked. A level means that one and above. */
export function filtersOf(text: string): { filters: Filters; unused: Term[] } {
  const filters: Filters = {};
  const words: string[] = [];
  const unused: Term[] = [];
  for (const term of parseQuery(text)) {
    const { key, value, op, not } = term;
    const level = levelOf(value);
    if (not || value === "" || op === "<=") unused.push(term);
    else if (key === "level" && level) filters.level = level;
    else if (op !== "") unused.push(term);
    else if (key === "") words.push(value);
    else if (key === "source" || key === "server" || key === "request") filters[key] = value;
    else unused.push(term);
  }
  if (words.length > 0) filters.q = words.join(" ");
  return { filters, unused };
}

function levelOf(value: string): Level | undefined {
  const name = value.toLowerCase();
  return LEVELS.find((level) => level === name || (name === "warn" && level === "warning"));
}

export interface Line {
  /** Its number on this node; they begin anew when the hub starts. */
  n: number;
  /** Unlike the number, of no other line. */
  id: string;
  at: string;
  level: Level;
  /** The module it comes from, without the package. */
  source: string;
  event: string;
  requestId: string;
  fields: [name: string, value: string][];
  record: Record<string, unknown>;
}

const OWN = new Set(["n", "timestamp", "level", "logger", "event"]);

/** Ids are long, and the same in many lines: they stand behind what a line is read for. */
const isId = (name: string) => name.endsWith("_id");

/** A record as the hub sends it, as a line. */
export function lineOf(record: Record<string, unknown>): Line {
  const text = (name: string) => (typeof record[name] === "string" ? (record[name] as string) : "");
  const n = Number(record.n ?? 0);
  return {
    n,
    id: `${text("timestamp")} ${n}`,
    at: text("timestamp"),
    level: levelOf(text("level")) ?? "info",
    source: text("logger").replace(/^mcphub\./, ""),
    event: text("event"),
    requestId: text("request_id"),
    fields: Object.entries(record)
      .filter(([name, value]) => !OWN.has(name) && value !== "" && value !== null)
      .sort(([one], [other]) => Number(isId(one)) - Number(isId(other)))
      .map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)]),
    record,
  };
}

export const MOST_LINES = 10_000;

/** With newer lines below; the oldest leave when there are too many. */
export function withNewer(lines: readonly Line[], newer: readonly Line[]): Line[] {
  return [...lines, ...newer].slice(-MOST_LINES);
}

/** 14:09:06.412 */
export function millis(clock: string, at: string): string {
  const found = /\.(\d{1,3})/.exec(at);
  return `${clock}.${(found?.[1] ?? "").padEnd(3, "0")}`;
}

/** A text cut at what the hub took out of it. */
export function parts(text: string): { text: string; hidden: boolean }[] {
  return text
    .split(/(\[hidden\])/)
    .filter((part) => part !== "")
    .map((part) => ({ text: part, hidden: part === HIDDEN }));
}
