import { expect, test } from "vitest";
import {
  type Access,
  askedOf,
  entriesOf,
  type Fact,
  type Item,
  itemId,
  merged,
  narrowed,
  positionIn,
  subjectText,
  windowOf,
  wordsOf,
} from "./model";

function fact(position: number, more: Partial<Fact> = {}): Fact {
  return {
    kind: "fact",
    position,
    id: String(position),
    at: new Date(Date.UTC(2026, 10, 23, 0, 0, position)).toISOString(),
    type: "GroupCreated",
    category: "groups",
    actor: "u1",
    actorKind: "user",
    actorName: "minji",
    source: "ui",
    command: "CreateGroup",
    requestId: `r${position}`,
    correlationId: "",
    causationId: "",
    trace: `r${position}`,
    userId: "u1",
    userName: "minji",
    subject: null,
    tags: [],
    ip: "",
    agent: "",
    names: {},
    data: {},
    ...more,
  };
}

function access(id: string, position: number): Access {
  return { kind: "access", id, position, at: "2026-11-23T00:00:00Z", requestId: id } as Access;
}

test("a query becomes what the hub is asked, and what it cannot be asked is said", () => {
  const { asked, unknown } = askedOf(
    'actor:minji type:Group* -type:GroupDeleted "two words" more latency:>=2s',
  );
  expect(asked).toEqual({ actor: ["minji"], type: ["Group*", "-GroupDeleted"], q: ["two words more"] });
  expect(unknown.map(({ key }) => key)).toEqual(["latency"]);
  expect(askedOf("kind:other -word").unknown).toHaveLength(2);
});

test("a view is narrowed by the query, which has its way where both say something", () => {
  expect(narrowed("tokens", { actor: ["minji"] })).toEqual({
    category: ["keys", "values"],
    actor: ["minji"],
  });
  expect(narrowed("tokens", { category: ["groups"] })).toEqual({ category: ["groups"] });
  expect(narrowed("tokens", { category: ["-keys"] })).toEqual({ category: ["keys", "values", "-keys"] });
  expect(narrowed("failures", { outcome: ["-rate_limited"] })).toEqual({
    outcome: ["-done", "-rate_limited"],
  });
});

test("a number with its sign is an event to go to, and nothing else is", () => {
  expect(["#18427", " #7 ", "18427", "#", "#1x"].map(positionIn)).toEqual([18427, 7, null, null, null]);
});

test("a stretch of time that ends before it begins is none", () => {
  expect(windowOf("2026-11-23T00:00:00Z", "2026-11-22T00:00:00Z")).toBeNull();
  expect(windowOf("", "")).toBeNull();
  expect(windowOf("2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z")).not.toBeNull();
});

test("what came live stands above what was loaded, once, a late row where it belongs", () => {
  const loaded: Item[] = [fact(3), fact(2)];
  expect(merged([fact(4), fact(3)], loaded).map(itemId)).toEqual(["4", "3", "2"]);
  expect(merged([access("late", 2), fact(4)], loaded).map(itemId)).toEqual(["4", "3", "late", "2"]);
  expect(merged([fact(4), fact(4)], []).map(itemId)).toEqual(["4"]);
});

test("a line stands before each day, and neighbours of one cause hang together", () => {
  const items = [
    fact(3, { at: "2026-11-24T01:00:00Z", trace: "x" }),
    fact(2, { at: "2026-11-23T01:00:00Z", trace: "x" }),
    fact(1, { at: "2026-11-23T00:00:00Z", trace: "" }),
    fact(0, { at: "2026-11-23T00:00:00Z", trace: "" }),
  ];
  const entries = entriesOf(items, (at) => at.toISOString().slice(0, 10));
  expect(entries.map(({ id }) => id)).toEqual(["day 2026-11-24", "3", "day 2026-11-23", "2", "1", "0"]);
  expect(entries.flatMap((entry) => ("joint" in entry ? [entry.joint] : []))).toEqual([
    { above: false, below: true },
    { above: true, below: false },
    { above: false, below: false },
    { above: false, below: false },
  ]);
});

test("a sentence has one noun, and names instead of ids", () => {
  const names = { s1: "desk", k1: "ide" };
  const words = (type: string, data: Record<string, unknown>) => wordsOf(fact(1, { type, data, names }));
  expect(words("ServiceTokenSaved", { variable: "JIRA", server_id: "s1" })).toEqual({
    target: "JIRA",
    detail: "desk",
  });
  expect(words("ServerChanged", { server_id: "s1" }).target).toBe("desk");
  expect(words("ServerRemoved", { server_id: "gone", name: "old" }).target).toBe("old");
  expect(words("ToolRenamed", { server_id: "s1", tool: "search", name: "find" })).toEqual({
    target: "search",
    detail: "desk → find",
  });
  expect(words("KeyIssued", { key_id: "k1", last4: "7Q0c" })).toEqual({ target: "ide", detail: "…7Q0c" });
  expect(words("HubRestored", { upto: 4711, made_at: "2026-11-26T10:31:05.123456Z" })).toEqual({
    target: "#4711",
    detail: "2026-11-26 10:31 UTC",
  });
  expect(words("UserDeactivated", { reason: "left" })).toEqual({ target: "minji", detail: "left" });
});

test("a subject says what it is, which one, and how many events it had", () => {
  const subject = { tag: "server:s1", kind: "server", id: "s1", name: "desk", ordinal: 11 };
  expect(subjectText(subject)).toBe("server/desk@11");
  expect(subjectText({ ...subject, tag: "servers", kind: "servers", id: "", name: "" })).toBe("servers@11");
});
