import { expect, test } from "vitest";
import type { User } from "@/api/schema.gen";
import { changed, filtersOf, guardsOf, outcome } from "./model";

const ME = { id: "me" };
const user = (more: Partial<User>) => ({ id: "u", state: "active", isAdmin: false, ...more }) as User;

test("nobody locks out or deletes themselves, administrator or not", () => {
  const guards = guardsOf(user({ id: "me", isAdmin: true }), ME, false);
  expect(guards).toEqual({ deactivate: "self_deactivation", remove: "self_deletion" });
});

test("an administrator is demoted first, and the last one is not", () => {
  expect(guardsOf(user({ isAdmin: true }), ME, false)).toEqual({
    deactivate: "admin_protected",
    remove: "admin_protected",
  });
  expect(guardsOf(user({ isAdmin: true }), ME, true).demote).toBe("last_admin");
});

test("only who is active gets a role, and who is deleted is restored first", () => {
  expect(guardsOf(user({ state: "pending" }), ME, false)).toEqual({
    promote: "user_inactive",
    audit: "user_inactive",
  });
  expect(guardsOf(user({ state: "deleted" }), ME, false).activate).toBe("user_deleted");
  expect(guardsOf(user({}), ME, false)).toEqual({});
});

test("a view is a state or a role", () => {
  expect(filtersOf("pending")).toEqual({ state: "pending", role: "" });
  expect(filtersOf("auditor")).toEqual({ state: "", role: "auditor" });
  expect(filtersOf("")).toEqual({ state: "", role: "" });
});

test("an action of many passes over those it would not change", () => {
  const users = [
    user({ id: "a" }),
    user({ id: "b", state: "pending" }),
    user({ id: "c", state: "inactive" }),
  ];
  const ids = (action: "activate" | "deactivate", ...chosen: string[]) =>
    changed(users, new Set(chosen), action).map(({ id }) => id);
  expect(ids("activate", "a", "b", "c", "gone")).toEqual(["b", "c"]);
  expect(ids("deactivate", "a", "b")).toEqual(["a"]);
});

test("what came of many names those it did not happen to", () => {
  const answers = [
    { id: "a", ok: true },
    { id: "b", ok: false, code: "admin_protected" },
    { id: "x", ok: false },
  ];
  expect(outcome(answers, [user({ id: "b", username: "bob" })])).toEqual({
    done: 1,
    refused: [
      { name: "bob", code: "admin_protected" },
      { name: "x", code: "" },
    ],
  });
});
