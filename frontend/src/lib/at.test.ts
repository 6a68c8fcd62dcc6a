import { expect, test } from "vitest";
import { timeIn, toNow } from "./at";

test("a position is no time, and a time is one", () => {
  expect(timeIn("310")).toBeNull();
  expect(timeIn("#310")).toBeNull();
  expect(timeIn("yesterday")).toBeNull();
  expect(timeIn("2026-03-01T12:00:00Z")).toBe(Date.UTC(2026, 2, 1, 12));
});

test("the present is the address without its time", () => {
  expect(toNow({ at: "310", q: "ann" })).toEqual({ q: "ann" });
});
