import type { Fact, TimelineAnswer } from "@/api/schema.gen";
import { parseQuery, type Term } from "@/lib/query-language";
import type { SpanName, ViewName } from "./search";

/** A fact of the ledger, or a row of the access log. */
export type Item = TimelineAnswer["data"][number];
export type Access = Extract<Item, { kind: "access" }>;
export type { Fact, SpanName, ViewName };

export const SPANS = { "1h": 3600, "24h": 86_400, "7d": 604_800, "30d": 2_592_000, all: 0 } satisfies Record<
  SpanName,
  number
>; // seconds

/** What the hub is asked: each key several times, a value that begins with `-` leaves out. */
export type Asked = Record<string, string[]>;

export const VIEWS = {
  all: {},
  privilege: {
    type: [
      "Admin*",
      "Auditor*",
      "UserActivated",
      "UserDeactivated",
      "UserDeleted",
      "UserRestored",
      "UserErased",
    ],
  },
  tokens: { category: ["keys", "values"] },
  config: { category: ["servers", "settings"] },
  failures: { outcome: ["-done"] },
} satisfies Record<ViewName, Asked>;

export const KEYS = [
  "actor",
  "user",
  "type",
  "category",
  "server",
  "tag",
  "source",
  "outcome",
  "kind",
  "trace",
] as const;

/** What a query asks, and which of its terms ask nothing. */
export function askedOf(text: string): { asked: Asked; unknown: Term[] } {
  const asked: Asked = {};
  const words: string[] = [];
  const unknown: Term[] = [];
  for (const term of parseQuery(text)) {
    const { key, value, op, not } = term;
    if (key === "" && !not && op === "" && value !== "") words.push(value);
    else if (
      KEYS.some((known) => known === key) &&
      op === "" &&
      value !== "" &&
      !(key === "kind" && !isKind(term))
    )
      asked[key] = [...(asked[key] ?? []), `${not ? "-" : ""}${value}`];
    else unknown.push(term);
  }
  if (words.length > 0) asked.q = [words.join(" ")];
  return { asked, unknown };
}

function isKind({ value, not }: Term): boolean {
  return !not && (value === "fact" || value === "access");
}

/** A view narrowed by a query; what the query says of a key takes the place of what the view says. */
export function narrowed(view: ViewName, asked: Asked): Asked {
  const own: Asked = VIEWS[view];
  const named = (key: string) => asked[key]?.some((value) => !value.startsWith("-")) ?? false;
  const kept = Object.entries(own).filter(([key]) => !named(key));
  const merged = kept.map(([key, values]) => [key, [...values, ...(asked[key] ?? [])]]);
  return { ...asked, ...Object.fromEntries(merged) };
}

/** A stretch of time that was chosen; null for the last so long. */
export function windowOf(from = "", to = ""): { from: Date; to: Date } | null {
  const window = { from: new Date(from), to: new Date(to) };
  return window.from.getTime() < window.to.getTime() ? window : null;
}

/** `#18427`: whoever types that wants to be there. */
export function positionIn(text: string): number | null {
  const found = /^#(\d{1,15})$/.exec(text.trim());
  return found ? Number(found[1]) : null;
}

export function itemId(item: Item): string {
  return item.kind === "fact" ? String(item.position) : item.id;
}

/** Did it come to nothing? A fact is something that was done. */
export function failed(item: Item): boolean {
  return item.kind === "access" && item.outcome !== "done" && item.type !== "gap";
}

/** Newest first, each once. What came live stands before what was loaded. */
export function merged(live: readonly Item[], loaded: readonly Item[]): Item[] {
  if (live.length === 0) return [...loaded];
  const known = new Set(loaded.map(itemId));
  const fresh = live.filter((item) => {
    const id = itemId(item);
    return !known.has(id) && known.add(id);
  });
  return inOrder(fresh) && (loaded[0]?.position ?? 0) <= (fresh.at(-1)?.position ?? 0)
    ? [...fresh, ...loaded]
    : [...fresh, ...loaded].sort(later);
}

function inOrder(items: readonly Item[]): boolean {
  return items.every((item, at) => at === 0 || later(items[at - 1] as Item, item) <= 0);
}

/** An access row stands above the fact of its position; rows of one position by time. */
function later(one: Item, other: Item): number {
  if (one.position !== other.position) return other.position - one.position;
  if (one.kind !== other.kind) return one.kind === "access" ? -1 : 1;
  return other.at < one.at ? -1 : other.at > one.at ? 1 : 0;
}

export type Entry = { day: string; id: string } | { item: Item; id: string; joint: Joint };

/** How a row hangs together with the one above and the one below: they have one cause. */
export interface Joint {
  above: boolean;
  below: boolean;
}

/** Rows with a line before each new day. */
export function entriesOf(items: readonly Item[], dayOf: (at: Date) => string): Entry[] {
  const entries: Entry[] = [];
  let day = "";
  items.forEach((item, at) => {
    const here = dayOf(new Date(item.at));
    if (here !== day) entries.push({ day: here, id: `day ${here}` });
    day = here;
    const joint = { above: sameCause(items[at - 1], item), below: sameCause(items[at + 1], item) };
    entries.push({ item, id: itemId(item), joint });
  });
  return entries;
}

export function traceOf(item: Item): string {
  return item.kind === "fact" ? item.trace : item.requestId;
}

function sameCause(one: Item | undefined, other: Item): boolean {
  return one !== undefined && traceOf(one) !== "" && traceOf(one) === traceOf(other);
}

/** The noun of a fact's sentence, and what is said behind it. */
export function wordsOf(fact: Fact): { target: string; detail: string } {
  const { data, names, type } = fact;
  const said = (name: string) => (typeof data[name] === "string" ? (data[name] as string) : "");
  const server = names[said("server_id")] ?? said("name");
  const name = said("name") || fact.subject?.name || (fact.subject ? short(fact.subject.id) : "");
  if (type.startsWith("ServiceToken")) return { target: said("variable"), detail: server };
  if (type.startsWith("SecretSlot"))
    return { target: said("name") || said("variable"), detail: names[said("server_id")] ?? "" };
  if (type.startsWith("Tool")) return { target: said("tool"), detail: toolDetail(fact) };
  if (type.startsWith("Key")) {
    return {
      target: names[said("key_id")] || name,
      detail: said("last4") ? `…${said("last4")}` : fact.userName,
    };
  }
  if (type === "ServerRenamed") return { target: said("name"), detail: said("old_name") };
  if (type.startsWith("Server")) return { target: server || short(said("server_id")), detail: "" };
  if (type.startsWith("Group")) return { target: name, detail: "" };
  if (type.startsWith("HubVariable")) return { target: said("name"), detail: "" };
  if (type.startsWith("Day")) return { target: said("day"), detail: said("log") };
  if (type === "BackupMade" || type === "HubRestored")
    return { target: `#${data.upto}`, detail: `${said("made_at").slice(0, 16).replace("T", " ")} UTC` };
  if (type.startsWith("Env")) return { target: "", detail: "" };
  if (type === "SystemConfigChanged" || type === "SettingsFileImported") return { target: "", detail: "" };
  return { target: fact.userName || short(fact.userId), detail: said("reason") };
}

function toolDetail({ data, names }: Fact): string {
  const server = names[String(data.server_id ?? "")] ?? "";
  return typeof data.name === "string" ? `${server} → ${data.name}` : server;
}

/** An id as people can compare it. */
export function short(id: string): string {
  return id.length > 12 ? id.slice(-8) : id;
}

/** `server/desk@11` */
export function subjectText({ kind, name, id, ordinal }: NonNullable<Fact["subject"]>): string {
  const what = name || short(id);
  return `${what ? `${kind}/${what}` : kind}@${ordinal}`;
}
