import { expect, test } from "vitest";
import type { ProjectionView, WorkView } from "@/api/schema.gen";
import { allEqual, different, share } from "./model";

const work = (given: Partial<WorkView>) => ({ running: true, position: 0, head: 0, ...given }) as WorkView;
const table = (name: string, equal?: boolean) =>
  ({ name, checked: equal === undefined ? null : { equal } }) as ProjectionView;

test("the share of a work is not known before it says of how much, and never above all of it", () => {
  expect(share(work({}))).toBeNull();
  expect(share(work({ position: 50, head: 200 }))).toBe(0.25);
  expect(share(work({ position: 210, head: 200 }))).toBe(1);
  expect(share(work({ running: false, head: 10 }))).toBe(1);
});

test("tables are equal when each was compared and none is different", () => {
  expect(allEqual([])).toBe(false);
  expect(allEqual([table("a", true), table("b")])).toBe(false);
  expect(allEqual([table("a", true), table("b", true)])).toBe(true);
  expect(different([table("a", false), table("b", true), table("c")])).toEqual(["a"]);
});
