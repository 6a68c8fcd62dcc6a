import { expect, test } from "vitest";
import { mayOpen, safeNext } from "./session";

test("administrators open what auditors open, and not the other way round", () => {
  const admin = { isAdmin: true, isAuditor: false };
  const auditor = { isAdmin: false, isAuditor: true };
  const user = { isAdmin: false, isAuditor: false };

  expect([admin, auditor, user].map((me) => mayOpen(me, "admin"))).toEqual([true, false, false]);
  expect([admin, auditor, user].map((me) => mayOpen(me, "auditor"))).toEqual([true, true, false]);
  expect([admin, auditor, user].map((me) => mayOpen(me, "user"))).toEqual([true, true, true]);
});

test("nobody is led out of the hub", () => {
  expect(safeNext("/settings?q=a#b")).toBe("/settings?q=a#b");
  for (const next of [
    "https://evil.example/",
    "//evil.example",
    "/\\evil.example",
    "javascript:alert(1)",
    "",
    undefined,
  ]) {
    expect(safeNext(next)).toBe("/");
  }
});
