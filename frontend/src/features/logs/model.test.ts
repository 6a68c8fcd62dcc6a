import { describe, expect, it, test } from "vitest";
import { filtersOf, lineOf, MOST_LINES, millis, parts, withNewer } from "./model";

describe("a query of the log", () => {
  it("is filters the hub knows, and words", () => {
    expect(filtersOf("level:>=warn server:firecrawl source:gateway request:abc two words").filters).toEqual({
      level: "warning",
      server: "firecrawl",
      source: "gateway",
      request: "abc",
      q: "two words",
    });
  });

  it("says what it cannot be asked", () => {
    const { filters, unused } = filtersOf("level:loud -server:x level:<=info tool:y server:>=z");
    expect(filters).toEqual({});
    expect(unused.map(({ key, value }) => `${key}:${value}`)).toEqual([
      "level:loud",
      "server:x",
      "level:info",
      "tool:y",
      "server:z",
    ]);
  });
});

const record = (n: number) => ({
  n,
  timestamp: `2026-01-31T12:00:00.${n}Z`,
  level: "info",
  logger: "mcphub.serve",
  event: "e",
});

test("a record is a line, with everything else as its fields, ids last", () => {
  const line = lineOf({
    ...record(7),
    level: "error",
    request_id: "r1",
    ms: 4.5,
    why: "",
    args: [1],
    position: null,
  });
  expect(line).toMatchObject({ n: 7, level: "error", source: "serve", event: "e", requestId: "r1" });
  expect(line.fields).toEqual([
    ["ms", "4.5"],
    ["args", "[1]"],
    ["request_id", "r1"],
  ]);
});

test("the oldest lines leave", () => {
  const many = Array.from({ length: MOST_LINES }, (_, n) => lineOf(record(n)));
  const lines = withNewer(many, [lineOf(record(MOST_LINES))]);
  expect([lines.length, lines[0]?.n, lines.at(-1)?.n]).toEqual([MOST_LINES, 1, MOST_LINES]);
});

test("a clock shows thousandths", () => {
  expect(millis("14:09:06", "2026-01-31T12:09:06.412345Z")).toBe("14:09:06.412");
  expect(millis("14:09:06", "2026-01-31T12:09:06Z")).toBe("14:09:06.000");
});

test("what was taken out stands by itself", () => {
  expect(parts("Bearer [hidden], then")).toEqual([
    { text: "Bearer ", hidden: false },
    { text: "[hidden]", hidden: true },
    { text: ", then", hidden: false },
  ]);
});
