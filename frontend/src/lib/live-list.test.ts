import { expect, test } from "vitest";
import { arrived, emptyList, MOST, released } from "./live-list";

test("what comes while somebody looks is shown at once, newest first", () => {
  const list = [1, 2, 3].reduce((now, item) => arrived(now, item, false), emptyList<number>());
  expect(list).toEqual({ shown: [3, 2, 1], waiting: [], gap: false });
});

test("what comes while nobody looks waits, and nothing of it is lost", () => {
  let list = arrived(emptyList<number>(), 1, false);
  list = arrived(arrived(list, 2, true), 3, true);
  expect(list).toEqual({ shown: [1], waiting: [3, 2], gap: false });
  list = arrived(list, 4, false); // it must not overtake what waits
  expect(released(list)).toEqual({ shown: [4, 3, 2, 1], waiting: [], gap: false });
});

test("more than is kept is a gap, and nothing is put behind it", () => {
  let list = emptyList<number>();
  for (let item = 0; item <= MOST; item++) list = arrived(list, item, true);
  expect(list.gap).toBe(true);
  expect(list.waiting).toHaveLength(MOST);
  expect(arrived(list, -1, false)).toBe(list);
});

test("a page that stays open for days keeps so much and no more", () => {
  let list = emptyList<number>();
  for (let item = 0; item <= MOST; item++) list = arrived(list, item, false);
  expect(list.gap).toBe(true);
  expect(list.shown).toHaveLength(MOST);
});
