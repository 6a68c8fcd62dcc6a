import { expect, test } from "vitest";
import type { Fact, RequestView, TraceView } from "@/api/schema.gen";
import { linesOf, waterfallOf } from "./model";

const fact = (id: string, ms: number, given: Partial<Fact> = {}) =>
  ({
    id,
    position: Number(id),
    at: new Date(Date.parse("2026-11-26T12:00:00Z") + ms).toISOString(),
    type: `T${id}`,
    command: "Save",
    source: "ui",
    trace: "r",
    causationId: "",
    subject: null,
    userName: "ann",
    ...given,
  }) as Fact;
const trace = (given: Partial<TraceView>) =>
  ({
    id: "r",
    startedAt: "2026-11-26T12:00:00Z",
    facts: [],
    before: [],
    access: [],
    call: null,
    ...given,
  }) as TraceView;

test("a request has its commands, these their facts, and a fact what it caused", () => {
  const facts = [
    fact("1", 40),
    fact("2", 41),
    fact("3", 50, { command: "Note" }),
    fact("4", 300, { causationId: "2", trace: "", command: "Certify" }),
  ];

  const { spans, whole } = waterfallOf(trace({ facts }));

  expect(spans.map(({ depth, kind, name, from, length }) => [depth, kind, name, from, length])).toEqual([
    [0, "request", "ui", 0, 50],
    [1, "command", "Save", 0, 41],
    [2, "fact", "T1", 40, 0],
    [2, "fact", "T2", 41, 0],
    [3, "fact", "T4", 300, 0],
    [1, "command", "Note", 0, 50],
    [2, "fact", "T3", 50, 0],
  ]);
  expect(whole).toBe(300);
});

test("a client's request shows where its time went", () => {
  const call = {
    id: "c",
    method: "tools/call",
    tool: "find",
    server: "jira",
    durationMs: 100,
    waitMs: 20,
    upstreamMs: 70,
  };

  const { spans } = waterfallOf(trace({ call: call as RequestView }));

  expect(spans.map(({ kind, from, length }) => [kind, from, length])).toEqual([
    ["call", 0, 100],
    ["wait", 10, 20],
    ["upstream", 30, 70],
  ]);
});

test("lines hold everything that is known", () => {
  const lines = linesOf(trace({ facts: [fact("1", 1)], before: [fact("0", 0)] }));
  expect(
    lines
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line).id),
  ).toEqual(["0", "1"]);
});
