import type { FieldProblem, ServerView, SettingsSaved, SettingsWarning } from "@/api/schema.gen";
import { type Json, memberOf, type Path, pathOf, placeOf, pointerOf, printJson, sameJson } from "./json-tree";

export interface FieldChange {
  /** JSON pointer inside of the server's entry. */
  field: string;
  /** One line of JSON each; null where it is not there. */
  before: string | null;
  after: string | null;
}

const MOST_TEXT = 80;

/** What differs between two entries, the deepest place that says it. */
export function differences(
  before: Json | undefined,
  after: Json | undefined,
  path: Path = [],
): FieldChange[] {
  if (sameJson(before, after)) return [];
  if (before?.type === "object" && after?.type === "object") {
    const keys = [...new Set([...before.members, ...after.members].map(({ key }) => key))];
    const inner = keys.flatMap((key) =>
      differences(memberOf(before, key), memberOf(after, key), [...path, key]),
    );
    if (inner.length > 0) return inner; // else only the order differs
  }
  return [{ field: pointerOf(path), before: line(before), after: line(after) }];
}

function line(node: Json | undefined): string | null {
  if (!node) return null;
  const text = printJson(node).replace(/\n\s*/g, " ");
  return text.length > MOST_TEXT ? `${text.slice(0, MOST_TEXT)}…` : text;
}

/** The entry of a server. */
export const entryOf = (root: Json | null, server: string) => memberOf(memberOf(root, "mcpServers"), server);

/** Differences of an entry, the values of secret places as bullets. */
export function shownDifferences(
  before: Json | null,
  after: Json | null,
  server: string,
  secret: Set<string>,
): FieldChange[] {
  return differences(entryOf(before, server), entryOf(after, server)).map((change) => {
    const pointer = pointerOf(["mcpServers", server]) + change.field;
    const hidden = [...secret].some((place) => place === pointer || place.startsWith(`${pointer}/`));
    return hidden ? { ...change, before: change.before && "••••", after: change.after && "••••" } : change;
  });
}

export type EntryMark = "added" | "changed" | "removed" | "same";

export interface OutlineRow {
  name: string;
  mark: EntryMark;
  errors: number;
  warnings: number;
  /** Where its key stands in the text; null for one that is gone from it. */
  at: number | null;
  status: ServerView["status"] | null;
}

/** The servers of the document in its order, those taken out at the end. */
export function outlineOf(
  committed: Json | null,
  draft: Json | null,
  findings: Finding[],
  servers: ServerView[],
): OutlineRow[] {
  const [before, now] = [memberOf(committed, "mcpServers"), memberOf(draft, "mcpServers")];
  const status = new Map(servers.map((server) => [server.name, server.status]));
  const of = (name: string, severity: Finding["severity"]) =>
    findings.filter((found) => found.severity === severity && serverIn(found.pointer) === name).length;
  const row = (name: string, mark: EntryMark, at: number | null): OutlineRow => ({
    name,
    mark,
    at,
    errors: of(name, "error"),
    warnings: of(name, "warning"),
    status: status.get(name) ?? null,
  });
  const rows: OutlineRow[] = [];
  for (const { key, keyFrom, value } of now?.type === "object" ? now.members : []) {
    const old = memberOf(before, key);
    rows.push(row(key, old === undefined ? "added" : sameJson(old, value) ? "same" : "changed", keyFrom));
  }
  for (const { key } of before?.type === "object" ? before.members : []) {
    if (!memberOf(now, key)) rows.push(row(key, "removed", null));
  }
  return rows;
}

export function serverIn(pointer: string): string | null {
  const [first, name] = pathOf(pointer);
  return first === "mcpServers" && name !== undefined ? name : null;
}

/** Something to be said of a place in the document, by the page or by the hub. */
export interface Finding {
  severity: "error" | "warning" | "info";
  code: string;
  pointer: string;
  /** The hub's own words, or what would fit. */
  detail: string;
  from: number;
  to: number;
  /** A key that was probably meant. */
  meant?: string;
}

/** What the hub said of a text, with its places in that text. */
export function findingsOf(
  root: Json | null,
  errors: FieldProblem[],
  warnings: SettingsWarning[],
  text: string,
): Finding[] {
  const made = (severity: Finding["severity"]) => (found: FieldProblem | SettingsWarning) => {
    const at = root ? placeOf(root, found.pointer) : offsetOf(text, found.line ?? 1, found.column ?? 1);
    const { code, pointer, detail } = found;
    return { severity, code, pointer, detail, ...at };
  };
  return [...errors.map(made("error")), ...warnings.map(made("warning"))];
}

function offsetOf(text: string, line: number, column: number): { from: number; to: number } {
  let from = 0;
  for (let passed = 1; passed < line; passed++) from = text.indexOf("\n", from) + 1;
  const at = Math.min(from + column - 1, text.length);
  return { from: at, to: Math.min(at + 1, text.length) };
}

/** The page's findings and the hub's, each said once: of one place the hub's word counts. */
export function together(local: Finding[], hub: Finding[]): Finding[] {
  const fixes = new Map(local.filter(({ meant }) => meant).map((found) => [found.pointer, found.meant]));
  const said = new Set(hub.map(({ pointer }) => pointer));
  return [
    ...hub.map((found) => ({ ...found, meant: fixes.get(found.pointer) })),
    ...local.filter(({ pointer, severity }) => !said.has(pointer) || severity === "info"),
  ].sort((one, other) => one.from - other.from);
}

const VARIABLE = /\$\{((?:USER|HUB)_[A-Za-z0-9_]+)\}/g;

/** `${…}` names in use anywhere in a text. */
export function variablesIn(text: string): string[] {
  return [...new Set([...text.matchAll(VARIABLE)].map(([, name = ""]) => name))].sort();
}

/** The servers that a save would take out, by name. */
export function removedBy(saved: SettingsSaved): string[] {
  return saved.changes.filter(({ type }) => type === "ServerRemoved").map(({ server }) => server);
}

/** Facts that say nothing to a reader beside the others: that something was saved. */
export const SILENT = new Set(["SettingsFileImported"]);
