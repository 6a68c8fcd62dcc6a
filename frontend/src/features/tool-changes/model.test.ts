import { expect, test } from "vitest";
import type { ToolChange } from "@/api/schema.gen";
import { isUnknown, kindOf, readable, sidesOf, sorted } from "./model";

const change = (more: Partial<ToolChange>) =>
  ({ formerHash: "a", before: {}, after: {}, withdrawn: false, ...more }) as ToolChange;

test("what happened to a tool", () => {
  expect(kindOf(change({}))).toBe("changed");
  expect(kindOf(change({ formerHash: null, before: null }))).toBe("new");
  expect(kindOf(change({ withdrawn: true }))).toBe("withdrawn");
});

test("nothing can be told apart where only a hash was kept", () => {
  expect(isUnknown(change({ formerHash: null, before: null }))).toBe(false);
  expect(isUnknown(change({ before: null }))).toBe(true);
  expect(isUnknown(change({ after: null }))).toBe(true);
});

test("a field has the sides it was there on", () => {
  expect(sidesOf({ field: "/a", before: "x", after: { b: 1 } })).toEqual([
    { sign: "−", text: "x" },
    { sign: "+", text: '{\n  "b": 1\n}' },
  ]);
  expect(sidesOf({ field: "/a", after: null })).toEqual([{ sign: "+", text: "null" }]);
});

test("pointers are read by people, and what models read comes first", () => {
  expect(readable("/inputSchema/properties/a~1b")).toBe("inputSchema › properties › a/b");
  expect(
    sorted([{ field: "/inputSchema/type" }, { field: "/description" }]).map(({ field }) => field),
  ).toEqual(["/description", "/inputSchema/type"]);
});
