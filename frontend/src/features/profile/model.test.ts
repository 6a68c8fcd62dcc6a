import { expect, test } from "vitest";
import type { BrowserSession } from "@/api/schema.gen";
import { deviceOf, inOrder, passwordProblem, timeZones } from "./model";

test("a user agent comes down to program and system", () => {
  expect(
    deviceOf(
      "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
    ),
  ).toBe("Chrome, macOS");
  expect(
    deviceOf("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0"),
  ).toBe("Edge, Windows");
  expect(
    deviceOf("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile Safari/604.1"),
  ).toBe("Safari, iOS");
  expect(deviceOf("python-httpx/0.28.1")).toBe("python-httpx");
  expect(deviceOf("")).toBe("");
});

test("this browser comes first, then the newest", () => {
  const session = (id: string, current: boolean, signedInAt: string) =>
    ({ id, current, signedInAt }) as BrowserSession;
  const shown = inOrder([session("old", false, "1"), session("here", true, "2"), session("new", false, "3")]);
  expect(shown.map(({ id }) => id)).toEqual(["here", "new", "old"]);
});

test("time zones begin with one's own, and have UTC", () => {
  const zones = timeZones("Asia/Seoul");
  expect(zones[0]).toBe("Asia/Seoul");
  expect(zones).toContain("UTC");
  expect(new Set(zones).size).toBe(zones.length);
});

test("a password is sent when it is long enough and typed twice the same", () => {
  expect(passwordProblem({ current: "", fresh: "long-enough-1", again: "long-enough-1" })).toBe("empty");
  expect(passwordProblem({ current: "x", fresh: "short", again: "short" })).toBe("short");
  expect(passwordProblem({ current: "x", fresh: "long-enough-1", again: "long-enough-2" })).toBe("differs");
  expect(passwordProblem({ current: "x", fresh: "long-enough-1", again: "long-enough-1" })).toBeNull();
});
