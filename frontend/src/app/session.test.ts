import { expect, test } from "vitest";
import { makeQueryClient } from "@/api/query-client";
import type { Me } from "@/api/schema.gen";
import { forgetForOthers, mayOpen, meQuery, safeNext } from "./session";

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
    "/\t/evil.example",
    "\n//evil.example",
    "javascript:alert(1)",
    "",
    undefined,
  ]) {
    expect(safeNext(next)).toBe("/");
  }
});

test("nothing that was read for one person is there for the next", () => {
  const queries = makeQueryClient(() => undefined);
  forgetForOthers(queries);
  const comes = (id: string) => queries.setQueryData(meQuery.queryKey, { id } as Me);
  comes("admin");
  queries.setQueryData(["users"], ["bob"]);
  queries.setQueryData(meQuery.queryKey, null);
  comes("admin");
  expect(queries.getQueryData(["users"])).toEqual(["bob"]);

  queries.setQueryData(meQuery.queryKey, null);
  comes("bob");

  expect(queries.getQueryData(["users"])).toBeUndefined();
  expect(queries.getQueryData(meQuery.queryKey)?.id).toBe("bob");
});
