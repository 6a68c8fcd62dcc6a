import { expect, test } from "vitest";
import type { ConnectionTest, SlotView } from "@/api/schema.gen";
import { entriesOf } from "./history";
import {
  changes,
  type FieldView,
  fits,
  givenLabel,
  helpOf,
  narrowed,
  pasted,
  type Section,
  stateOf,
  toSave,
  toTest,
  typed,
  untyped,
} from "./model";

const slot = (over: Partial<SlotView> = {}) =>
  ({ name: "USER_TOKEN", canonical: "TOKEN", label: "", required: true, secret: true, ...over }) as SlotView;
const field = (over: Partial<FieldView> = {}): FieldView => ({
  slot: slot(),
  short: "TOKEN",
  saved: null,
  meta: null,
  ...over,
});
const section = (over: Partial<Section> = {}): Section => ({
  server: "jira",
  slug: "jira",
  type: "stdio",
  enabled: true,
  fields: [field({ saved: "••••" })],
  ...over,
});
const ok = { ok: true } as ConnectionTest;
const failed = { ok: false } as ConnectionTest;
const refused = { valid: false } as FieldView["meta"];

test("the state of a section is the first that holds", () => {
  expect(stateOf(section({ enabled: false }), { jira: { USER_TOKEN: "x" } }, failed)).toEqual({
    kind: "off",
  });
  expect(stateOf(section(), { jira: { USER_TOKEN: "x" } }, failed)).toEqual({ kind: "unsaved" });
  expect(stateOf(section({ fields: [field()] }), {}, failed)).toEqual({ kind: "missing", count: 1 });
  expect(stateOf(section(), {}, failed)).toEqual({ kind: "check" });
  expect(stateOf(section({ fields: [field({ saved: "•", meta: refused })] }), {}, ok)).toEqual({
    kind: "check",
  });
  expect(stateOf(section(), {}, null)).toEqual({ kind: "untested" });
  expect(stateOf(section(), {}, ok)).toEqual({ kind: "ready" });
});

test("an optional value that is empty is not missing", () => {
  expect(stateOf(section({ fields: [field({ slot: slot({ required: false }) })] }), {}, null).kind).toBe(
    "untested",
  );
});

test("typing back what is saved is no change, and a secret is never equal to its mask", () => {
  const open = field({ slot: slot({ secret: false }), saved: "https://a" });
  expect(typed({}, "jira", open, "https://a")).toEqual({});
  expect(typed({}, "jira", open, "https://b")).toEqual({ jira: { USER_TOKEN: "https://b" } });
  expect(typed({}, "jira", field({ saved: "••••" }), "••••")).toEqual({ jira: { USER_TOKEN: "••••" } });
  expect(typed({ jira: { USER_TOKEN: "x" } }, "jira", field(), "")).toEqual({});
});

test("what is taken back leaves nothing of its server", () => {
  expect(untyped({ jira: { A: "1" }, git: { B: "2" } }, "jira", "A")).toEqual({ git: { B: "2" } });
  expect(changes({ jira: { A: "1", B: null }, git: { C: "2" } })).toEqual(["A", "B", "C"]);
});

test("an emptied field is sent as a removal, and is not used for a test", () => {
  expect(toSave({ jira: { A: " x ", B: "", C: null } })).toEqual({ jira: { A: "x", B: null, C: null } });
  expect(toTest({ jira: { A: "x", B: "", C: null } }, "jira")).toEqual({ A: "x" });
});

test("lines of an .env file fill the fields they name", () => {
  const two = section({
    fields: [field(), field({ slot: slot({ name: "USER_URL", canonical: "URL" }), short: "URL" })],
  });
  expect(pasted('export USER_TOKEN="a=b"\nURL=https://x\nOTHER=1\n# c', two)).toEqual({
    USER_TOKEN: "a=b",
    USER_URL: "https://x",
  });
  expect(pasted("just a token", two)).toEqual({});
});

test("a value is checked as the hub does it, and left to the hub where this browser cannot", () => {
  expect(fits(slot({ pattern: "^ghp_" }), " ghp_a")).toBe(true);
  expect(fits(slot({ pattern: "^ghp_" }), "xghp_a")).toBe(false);
  expect(fits(slot({ pattern: "^ghp_" }), "")).toBe(true);
  expect(fits(slot({ pattern: "(?P<a>x)" }), "y")).toBe(true);
});

test("a search finds servers and variables", () => {
  const all = [section(), section({ server: "git", fields: [field({ slot: slot({ name: "USER_PAT" }) })] })];
  expect(narrowed(all, "jir").map(({ server }) => server)).toEqual(["jira"]);
  expect(narrowed(all, "pat").map(({ server }) => server)).toEqual(["git"]);
  expect(narrowed(all, " ")).toHaveLength(2);
});

test("the history of a variable is of that variable, and names whoever was not its owner", () => {
  const fact = (over: object) => ({
    kind: "fact",
    type: "ServiceTokenSaved",
    position: 1,
    at: "t",
    actor: "ann",
    actorName: "Ann",
    userId: "ann",
    data: { variable: "TOKEN" },
    ...over,
  });
  const facts = [
    fact({ position: 3, type: "ServiceTokenRemoved", actor: "root", actorName: "Root" }),
    fact({ position: 2, data: { variable: "OTHER" } }),
    fact({}),
  ] as unknown as Parameters<typeof entriesOf>[0];

  expect(entriesOf(facts, "TOKEN")).toEqual([
    { position: 3, at: "t", removed: true, by: "Root" },
    { position: 1, at: "t", removed: false, by: "" },
  ]);
});

test("help leads into the web and nowhere else", () => {
  expect(helpOf(slot({ helpUrl: "https://id.example/tokens" }))).toEqual({
    href: "https://id.example/tokens",
    text: "id.example/tokens",
  });
  expect(helpOf(slot({ helpUrl: "javascript:alert(1)" }))).toEqual({
    href: null,
    text: "javascript:alert(1)",
  });
  expect(helpOf(slot())).toBeNull();
});

test("a label is shown when it says more than the variable's name", () => {
  expect(givenLabel({ label: "Jira Api Token", canonical: "JIRA_API_TOKEN" })).toBe("");
  expect(givenLabel({ label: "Token of your Atlassian account", canonical: "JIRA_API_TOKEN" })).toBe(
    "Token of your Atlassian account",
  );
});
