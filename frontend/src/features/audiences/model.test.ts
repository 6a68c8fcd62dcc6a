import { expect, test } from "vitest";
import type { ServerView } from "@/api/schema.gen";
import { audienceOf, fault, namesIn, narrowed, same, whomOf } from "./model";

const server = (name: string, audience?: unknown, config: Record<string, unknown> = {}) =>
  ({ name, audience, config }) as ServerView;

test("visibility and owner count before the audience", () => {
  const whom = whomOf(server("s", { users: ["ann"] }, { visibility: "private", owner: "bob" }));
  expect([whom.kind, whom.owner, whom.named.users]).toEqual(["private", "bob", ["ann"]]);
  expect(whomOf(server("s", "everyone", { owner: "bob" })).kind).toBe("everyone");
});

test("nothing named is nobody, and what cannot be read lets nobody in", () => {
  expect(whomOf(server("s")).kind).toBe("everyone");
  expect(whomOf(server("s", { users: [] })).kind).toBe("nobody");
  expect(whomOf(server("s", { teams: ["acme/core"] })).kind).toBe("named");
  expect(whomOf(server("s", { people: ["ann"] })).kind).toBe("unreadable");
  expect(whomOf(server("s", ["ann"])).kind).toBe("unreadable");
});

test("an audience is sent without empty lists, and compared so", () => {
  const named = { users: ["ann"], organizations: [], teams: [], groups: [] };
  expect(audienceOf({ everyone: false, named })).toEqual({ users: ["ann"] });
  expect(audienceOf({ everyone: true, named })).toBe("everyone");
  expect(same(whomOf(server("s", { users: ["ann"], teams: [] })), { everyone: false, named })).toBe(true);
  expect(same({ everyone: true, named }, { everyone: false, named })).toBe(false);
});

test("teams have a slash and organisations none", () => {
  expect(fault("teams", "acme")).toBe("teamForm");
  expect(fault("teams", "acme/core")).toBeNull();
  expect(fault("teams", "a/b/c")).toBe("teamForm");
  expect(fault("organizations", "acme/core")).toBe("organizationForm");
  expect(fault("users", "x".repeat(257))).toBe("nameForm");
});

test("pasted names are taken apart", () => {
  expect(namesIn("ann, bob,\n eve ,,")).toEqual(["ann", "bob", "eve"]);
});

test("a search finds servers by whom they are for", () => {
  const servers = [
    server("git", { users: ["Ann"] }),
    server("jira"),
    server("own", {}, { visibility: "private", owner: "ann" }),
  ];
  const names = (view: Parameters<typeof narrowed>[1], q: string) =>
    narrowed(servers, view, q).map(({ name }) => name);
  expect(names("", "ann")).toEqual(["git", "own"]);
  expect(names("everyone", "")).toEqual(["jira"]);
  expect(names("private", "ann")).toEqual(["own"]);
});
