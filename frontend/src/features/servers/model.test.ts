import { expect, test } from "vitest";
import type { Figures, ServerView, SlotView, ToolView } from "@/api/schema.gen";
import { audienceOf, marksOf, narrowed, readinessOf, rowsOf, toolsFound } from "./model";

const tool = (more: Partial<ToolView>): ToolView => ({
  name: "search",
  exposedName: "wiki__search",
  description: "Finds pages.",
  inputSchema: {},
  enabled: true,
  state: "active",
  firstSeen: null,
  changedAt: null,
  server: "wiki",
  ...more,
});

const server = (more: Partial<ServerView>): ServerView => ({
  name: "wiki",
  slug: "wiki",
  type: "stdio",
  description: "",
  status: "connected",
  since: null,
  error: null,
  nextRetryAt: null,
  enabled: true,
  createTime: null,
  tools: [],
  toolsListed: true,
  toolCount: 0,
  slots: [],
  isolation: "user",
  version: 1,
  visible: true,
  ...more,
});

const slot = (more: Partial<SlotView>): SlotView =>
  ({ required: true, configured: false, rejectedAt: null, ...more }) as SlotView;

test("what stands in the way first is said", () => {
  expect(readinessOf(server({ enabled: false, status: "disabled" }))).toEqual({ kind: "off" });
  const slots = [slot({}), slot({ required: false }), slot({ configured: true })];
  expect(readinessOf(server({ status: "needs_setup", slots }))).toEqual({ kind: "missing", count: 1 });
  expect(readinessOf(server({ status: "needs_setup" }))).toEqual({ kind: "hub" });
  expect(readinessOf(server({ slots: [slot({ rejectedAt: "2026-01-01T00:00:00Z" })] }))).toEqual({
    kind: "rejected",
  });
  expect(readinessOf(server({ visible: false }))).toEqual({ kind: "hidden" });
  expect(readinessOf(server({}))).toEqual({ kind: "ready" });
});

test("figures find their server by slug", () => {
  const figures = [{ server: "my-wiki", count: 3 } as Figures];
  expect(rowsOf([server({ name: "My wiki", slug: "my-wiki" })], figures)[0]?.figures?.count).toBe(3);
});

test("a search finds servers and tools, names before descriptions", () => {
  const rows = rowsOf(
    [
      server({
        name: "wiki",
        tools: [tool({ name: "read", exposedName: "wiki__read", description: "to search in" }), tool({})],
      }),
      server({ name: "mail", status: "error" }),
    ],
    [],
  );
  expect(narrowed(rows, { q: "SEARCH" }).map((row) => row.server.name)).toEqual(["wiki"]);
  expect(narrowed(rows, { status: "error" }).map((row) => row.server.name)).toEqual(["mail"]);
  expect(narrowed(rows, { ready: "missing" })).toEqual([]);
  expect(toolsFound(rows, "search").map(({ name }) => name)).toEqual(["search", "read"]);
  expect(toolsFound(rows, " ")).toEqual([]);
});

test("what is to be said of a tool", () => {
  expect(marksOf(tool({}))).toEqual([]);
  const marked = tool({ enabled: false, displayName: "find", annotations: { destructiveHint: true } });
  expect(marksOf(marked)).toEqual(["off", "destructive", "renamed"]);
});

test("an audience without names is nobody", () => {
  expect(audienceOf("everyone")).toEqual({ kind: "everyone" });
  expect(audienceOf({ users: [], teams: ["acme/core"] })).toEqual({
    kind: "some",
    names: [["teams", ["acme/core"]]],
  });
  expect(audienceOf({})).toEqual({ kind: "some", names: [] });
});
