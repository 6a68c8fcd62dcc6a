import { expect, test } from "vitest";
import type { KeyView, User } from "@/api/schema.gen";
import { narrowed, rowsOf } from "./model";
import type { View } from "./search";

const NOW = new Date("2026-11-26T00:00:00Z");
const key = (name: string, more: Partial<KeyView> = {}) =>
  ({
    id: name,
    name,
    state: "active",
    createdAt: "2026-11-20T00:00:00Z",
    lastUsedAt: null,
    ...more,
  }) as KeyView;
const ann = { id: "ann", username: "ann" } as User;
const bob = { id: "bob", username: "bob" } as User;

const rows = rowsOf([
  {
    user: ann,
    keys: [
      key("new"),
      key("idle", { createdAt: "2026-09-01T00:00:00Z" }),
      key("ending", { warning: "expires_soon" }),
      key("dead", { state: "revoked", createdAt: "2026-09-01T00:00:00Z", warning: "expires_soon" }),
    ],
  },
  {
    user: bob,
    keys: [key("old", { createdAt: "2026-09-01T00:00:00Z", lastUsedAt: "2026-11-25T00:00:00Z" })],
  },
]);
const names = (view: View) => narrowed(rows, view, NOW).map((row) => row.key.name);

test("each key stands beside its owner", () => {
  expect(rows.map((row) => `${row.owner.username}/${row.key.name}`)).toEqual([
    "ann/new",
    "ann/idle",
    "ann/ending",
    "ann/dead",
    "bob/old",
  ]);
});

test("the views narrow to what works, ends soon, or is not used", () => {
  expect(names("")).toEqual(["new", "idle", "ending", "old"]);
  expect(names("soon")).toEqual(["ending"]);
  expect(names("unused")).toEqual(["idle"]);
  expect(names("all")).toEqual(["new", "idle", "ending", "dead", "old"]);
});
