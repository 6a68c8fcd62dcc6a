/** One condition of a query: `server:jira`, `-user:ann`, `latency:>=1s`, or a word on its own, whose key is empty. */
export interface Term {
  key: string;
  value: string;
  op: "" | ">=" | "<=";
  not: boolean;
}

const TERM = /(-?)(?:([A-Za-z][\w.]*):)?(>=|<=)?(?:"((?:[^"\\]|\\.)*)"|(\S+))/g;
const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** The terms of a text, in order; what cannot be a term is passed over. */
export function parseQuery(text: string): Term[] {
  return [...text.matchAll(TERM)].map(([, minus, key, op, quoted, plain]) => ({
    key: (key ?? "").toLowerCase(),
    value: quoted === undefined ? (plain ?? "") : quoted.replace(/\\(.)/g, "$1"),
    op: (op ?? "") as Term["op"],
    not: minus === "-",
  }));
}

/** The text of terms; parsing it gives the same terms. */
export function writeQuery(terms: Term[]): string {
  return terms.map(writeTerm).join(" ");
}

export function writeTerm({ key, value, op, not }: Term): string {
  const plain =
    /^[^\s"\\]+$/.test(value) && !/^(>=|<=)/.test(value) && (key !== "" || /^[^-:]+$/.test(value));
  const said = plain ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
  return `${not ? "-" : ""}${key === "" ? "" : `${key}:`}${op}${said}`;
}

/** The query with this condition, in place of others of the same key. */
export function withTerm(text: string, key: string, value: string): string {
  const rest = parseQuery(text).filter((term) => term.key !== key);
  return writeQuery([...rest, { key, value, op: "", not: false }]);
}

/** Milliseconds of `250ms`, `1.5s`, `2m` or `800`; null for anything else. */
export function parseDuration(text: string): number | null {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim());
  if (!found) return null;
  return Number(found[1]) * (UNITS[found[2] ?? "ms"] ?? 1);
}
