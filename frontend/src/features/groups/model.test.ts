import { expect, test } from "vitest";
import type { GroupView, ServerView, SimulatorAccess } from "@/api/schema.gen";
import { copyName, countOf, draftOf, isChanged, narrowed, ruleOf, shownServers } from "./model";

const group = (over: Partial<GroupView> = {}): GroupView => ({
  id: "g",
  name: "backend",
  slug: "backend",
  description: "",
  servers: ["git"],
  missingServers: [],
  isActive: true,
  createdAt: "t",
  updatedAt: "t",
  ...over,
});
const server = (over: Partial<ServerView>) =>
  ({ name: "git", status: "connected", toolsListed: true, ...over }) as ServerView;
const tool = (name: string, reason = "allowed") => ({ name, exposedName: `git__${name}`, reason });
const access = (servers: SimulatorAccess["servers"]) =>
  ({ url: "/mcp", mode: "tools", found: true, listed: [], servers }) as SimulatorAccess;

test("no group shows everything, none that is on shows nothing, else it is their union", () => {
  expect(ruleOf([])).toEqual({ kind: "everything" });
  expect(ruleOf([group({ isActive: false })])).toEqual({ kind: "nothing", groups: 1 });
  expect(ruleOf([group(), group({ isActive: false })])).toEqual({ kind: "union", active: 1, groups: 2 });
});

test("only allowed servers and tools are shown, and what is kept back is counted", () => {
  const shown = shownServers(
    access([
      { server: "off", reason: "server_disabled", missing: [], tools: [tool("x", "server_disabled")] },
      { server: "git", reason: "allowed", missing: [], tools: [tool("pr"), tool("merge", "switched_off")] },
    ]),
    [server({})],
  );

  expect(shown).toEqual([{ server: "git", tools: ["git__pr"], kept: 1, waits: null }]);
});

test("a server without tools says why: values are missing, or nobody asked", () => {
  const shown = (over: Partial<ServerView>) =>
    shownServers(access([{ server: "git", reason: "allowed", missing: [], tools: [] }]), [server(over)])[0]
      ?.waits;

  expect(shown({ status: "needs_setup", toolsListed: false })).toBe("values");
  expect(shown({ toolsListed: false })).toBe("unlisted");
  expect(shown({ toolsListed: true })).toBeNull();
});

test("a group counts the tools of its own servers, and says when there may be more", () => {
  const both = access([
    { server: "git", reason: "allowed", missing: [], tools: [tool("pr"), tool("merge")] },
    { server: "jira", reason: "allowed", missing: [], tools: [] },
  ]);
  const servers = [server({}), server({ name: "jira", toolsListed: false })];

  expect(countOf(group(), both, servers)).toEqual({ tools: 2, atLeast: false });
  expect(countOf(group({ servers: ["git", "jira"] }), both, servers)).toEqual({ tools: 2, atLeast: true });
});

test("a copy gets the next name that is free, whatever its case", () => {
  expect(copyName("backend", [group()])).toBe("backend 2");
  expect(copyName("backend 2", [group(), group({ name: "Backend 2" })])).toBe("backend 3");
});

test("servers that are gone stay in a draft, and another order is no change", () => {
  const before = group({ servers: ["git", "jira"], missingServers: ["old"] });
  expect(draftOf(before).servers).toEqual(["git", "jira", "old"]);
  expect(isChanged({ ...draftOf(before), servers: ["old", "jira", "git"] }, before)).toBe(false);
  expect(isChanged({ ...draftOf(before), servers: ["git", "jira"] }, before)).toBe(true);
});

test("a search finds names and servers", () => {
  const all = [group(), group({ name: "docs", servers: ["context7"] })];
  expect(narrowed(all, "CONTEXT").map(({ name }) => name)).toEqual(["docs"]);
  expect(narrowed(all, " ")).toHaveLength(2);
});
