import { expect, it } from "vitest";
import type { RequestView } from "@/api/schema.gen";
import { toCsv, toNdjson } from "./export";

const row = {
  startedAt: "2026-11-26T12:00:00Z",
  status: "Failed",
  username: 'ann "a"',
  clientName: "=1+1",
  method: "tools/call",
  durationMs: 12.5,
  errorCode: "-32000",
  sessionId: null,
} as RequestView;

it("a sheet has a line of names, and takes no value for a formula", () => {
  const [names, line, end] = toCsv([row]).split("\r\n");
  expect(names?.split(",").slice(0, 5)).toEqual(["startedAt", "endedAt", "requestId", "status", "username"]);
  expect(line).toContain('2026-11-26T12:00:00Z,,,Failed,"ann ""a""",');
  expect(line).toContain(",'=1+1,tools/call,");
  expect(line).toContain(",'-32000,");
  expect(line).toContain(",12.5,");
  expect(end).toBe("");
});

it("lines of JSON are read back as they were", () => {
  expect(JSON.parse(toNdjson([row]))).toEqual(row);
});
