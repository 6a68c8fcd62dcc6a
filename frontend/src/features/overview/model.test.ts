import { expect, test } from "vitest";
import type { Figures, HealthCheck } from "@/api/schema.gen";
import { binsOf, windowOf, worstFirst } from "./model";

const at = (text: string) => new Date(`2026-01-31T${text}Z`);

test("a period begins with a bin", () => {
  expect(windowOf("1h", at("12:00:17")).from).toEqual(at("11:00:00"));
  expect(windowOf("24h", at("12:07:00")).from).toEqual(new Date("2026-01-30T12:00:00Z"));
});

test("each bin is there, with how its calls ended", () => {
  const figures = [
    { at: "2026-01-31T11:00:30Z", count: 10, errors: 2, toolErrors: 1, denied: 1, cancelled: 3 },
  ] as Figures[];
  const bins = binsOf(figures, { from: at("11:00:00"), to: at("11:01:10") }, 30);
  expect(bins.map(({ counts }) => counts)).toEqual([
    { ok: 0, errors: 0, toolErrors: 0, denied: 0, cancelled: 0 },
    { ok: 3, errors: 2, toolErrors: 1, denied: 1, cancelled: 3 },
    { ok: 0, errors: 0, toolErrors: 0, denied: 0, cancelled: 0 },
  ]);
});

test("what is not well stands first, the rest as it was", () => {
  const checks = ["ok", "warning", "ok", "error"].map((status, number) => ({ name: `${number}`, status }));
  expect(worstFirst(checks as HealthCheck[]).map(({ name }) => name)).toEqual(["3", "1", "0", "2"]);
});
