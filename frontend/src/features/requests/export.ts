import type { RequestView } from "@/api/schema.gen";

const COLUMNS = [
  "startedAt",
  "endedAt",
  "requestId",
  "status",
  "username",
  "sessionId",
  "clientName",
  "method",
  "server",
  "tool",
  "durationMs",
  "waitMs",
  "upstreamMs",
  "bytesIn",
  "bytesOut",
  "errorCode",
  "reason",
  "shown",
  "filtered",
  "ledgerPosition",
] as const satisfies (keyof RequestView)[];

/** One line a request, with a line of names before; RFC 4180. */
export function toCsv(rows: RequestView[]): string {
  return [COLUMNS.join(","), ...rows.map((row) => COLUMNS.map((name) => cell(row[name])).join(","))]
    .map((line) => `${line}\r\n`)
    .join("");
}

/** One JSON object a line, with everything that is known. */
export function toNdjson(rows: RequestView[]): string {
  return rows.map((row) => `${JSON.stringify(row)}\n`).join("");
}

function cell(value: string | number | null): string {
  if (value === null) return "";
  if (typeof value === "number") return String(value);
  // A client chooses its name and its methods; a sheet must not take them for formulas.
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
