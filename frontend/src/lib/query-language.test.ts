import { describe, expect, it } from "vitest";
import { parseDuration, parseQuery, type Term, withTerm, writeQuery } from "./query-language";

const term = (key: string, value: string, more: Partial<Term> = {}): Term => ({
  key,
  value,
  op: "",
  not: false,
  ...more,
});

describe("a query", () => {
  it("is conditions with keys, negations, comparisons and free words", () => {
    expect(parseQuery('server:mcp-atlassian -user:ann latency:>=1.5s "two words" plain')).toEqual([
      term("server", "mcp-atlassian"),
      term("user", "ann", { not: true }),
      term("latency", "1.5s", { op: ">=" }),
      term("", "two words"),
      term("", "plain"),
    ]);
  });

  it("keeps values that look like something else when it is written and read again", () => {
    const terms = [
      term("server", "a b"),
      term("tool", 'say "hi" \\ there'),
      term("", "key:value"),
      term("", "-minus"),
      term("method", "tools/call"),
      term("latency", ">=5", { op: "<=" }),
      term("", "", { not: true }),
    ];
    expect(parseQuery(writeQuery(terms))).toEqual(terms);
  });

  it("holds one condition of a key after another one was chosen", () => {
    expect(withTerm("server:jira status:Failed", "server", "git hub")).toBe('status:Failed server:"git hub"');
  });

  it("is empty for an empty text", () => {
    expect(parseQuery("   ")).toEqual([]);
  });
});

describe("a duration", () => {
  it.each([
    ["250ms", 250],
    ["1.5s", 1500],
    ["2m", 120_000],
    ["800", 800],
  ])("%s is %d milliseconds", (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  it.each(["soon", "", "-1s", "1 s 2"])("%s is none", (text) => {
    expect(parseDuration(text)).toBeNull();
  });
});
