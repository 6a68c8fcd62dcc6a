import type { Figures, ServerView, ToolView } from "@/api/schema.gen";

/** Whether the reader can use a server as it is: the first of these that stands in the way. */
export type Readiness =
  | { kind: "off" | "hub" | "rejected" | "hidden" | "ready" }
  | { kind: "missing"; count: number };
export type ReadinessKind = Readiness["kind"];

export interface ServerRow {
  server: ServerView;
  readiness: Readiness;
  /** Of the last day; null while it is not known, or without a call. */
  figures: Figures | null;
}

export interface ServerFilters {
  q?: string;
  status?: string;
  ready?: string;
}

export function readinessOf(server: ServerView): Readiness {
  if (!server.enabled) return { kind: "off" };
  if (server.status === "needs_setup") {
    const count = server.slots.filter(({ required, configured }) => required && !configured).length;
    // Nothing of the reader's is missing: a variable of the hub is, which only an administrator can enter.
    return count > 0 ? { kind: "missing", count } : { kind: "hub" };
  }
  if (server.slots.some(({ rejectedAt }) => rejectedAt !== null)) return { kind: "rejected" };
  return { kind: server.visible ? "ready" : "hidden" };
}

/** The figures are by slug, as the history of calls keeps them. */
export function rowsOf(servers: ServerView[], figures: Figures[]): ServerRow[] {
  const bySlug = new Map(figures.map((each) => [each.server, each]));
  return servers.map((server) => ({
    server,
    readiness: readinessOf(server),
    figures: bySlug.get(server.slug) ?? null,
  }));
}

/** Servers of which the name, the description or a tool answers to every word. */
export function narrowed(rows: ServerRow[], { q = "", status = "", ready = "" }: ServerFilters): ServerRow[] {
  return rows.filter(
    ({ server, readiness }) =>
      (status === "" || server.status === status) &&
      (ready === "" || readiness.kind === ready) &&
      (says(q, `${server.name} ${server.description}`) || server.tools.some((tool) => toolSays(q, tool))),
  );
}

/**
 * What the hub's search found, best first, of the servers that the other filters leave; then the tools that answer to
 * every word, those called so before those described so.
 */
export function toolsFound(
  rows: ServerRow[],
  q: string,
  best: ToolView[] = [],
  all: ServerRow[] = rows,
  { status = "", ready = "" }: ServerFilters = {},
): ToolView[] {
  if (q.trim() === "") return [];
  const left = new Set(narrowed(all, { status, ready }).map(({ server }) => server.name));
  const ahead = best.filter(({ server }) => left.has(server));
  const there = new Set(ahead.map(({ server, name }) => `${server}/${name}`));
  const byName = (tool: ToolView) => (says(q, names(tool)) ? 0 : 1);
  const others = rows
    .flatMap(({ server }) => server.tools)
    .filter((tool) => toolSays(q, tool) && !there.has(`${tool.server}/${tool.name}`));
  return [...ahead, ...others.sort((a, b) => byName(a) - byName(b))];
}

export function toolSays(q: string, tool: ToolView): boolean {
  return says(q, `${names(tool)} ${tool.description}`);
}

const names = ({ name, displayName = "", exposedName }: ToolView) => `${name} ${displayName} ${exposedName}`;

/** Is every word somewhere in the text? Without words it is. */
export function says(q: string, text: string): boolean {
  const where = text.toLowerCase();
  return q
    .toLowerCase()
    .split(/\s+/)
    .every((word) => where.includes(word));
}

export type Mark = "destructive" | "readOnly" | "off" | "waits" | "renamed" | "reworded";

/** What is to be said of a tool beside its name, the weightiest first. */
export function marksOf(tool: ToolView): Mark[] {
  const marks: Mark[] = [];
  if (!tool.enabled) marks.push("off");
  if (tool.state === "quarantined") marks.push("waits");
  if (tool.annotations?.destructiveHint === true) marks.push("destructive");
  if (tool.annotations?.readOnlyHint === true) marks.push("readOnly");
  if (tool.displayName !== undefined) marks.push("renamed");
  if (tool.originalDescription !== undefined) marks.push("reworded");
  return marks;
}

export type Audience = { kind: "everyone" } | { kind: "some"; names: [AudienceKind, string[]][] };
export type AudienceKind = "users" | "organizations" | "teams" | "groups";
const KINDS: AudienceKind[] = ["users", "organizations", "teams", "groups"];

/** Who may see a server, as the settings document says it; nothing named is nobody. */
export function audienceOf(audience: unknown): Audience {
  if (audience === "everyone" || audience === undefined) return { kind: "everyone" };
  const named = audience as Partial<Record<AudienceKind, unknown>>;
  const names = KINDS.flatMap((kind): [AudienceKind, string[]][] => {
    const list = named[kind];
    return Array.isArray(list) && list.length > 0 ? [[kind, list.map(String)]] : [];
  });
  return { kind: "some", names };
}
