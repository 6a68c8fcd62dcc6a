import { expect, test } from "vitest";
import type { Issue, Report, ShownConfig } from "@/api/schema.gen";
import {
  changesOf,
  countsOf,
  isHubName,
  issueRows,
  narrowedIssues,
  narrowedUsage,
  outOfRange,
  rowsByServer,
  rowsByVariable,
  todayAt,
} from "./model";

const usage = { users: 4, configured: 1, percent: 25, holders: [] };
const REPORT: Report = {
  servers: [
    {
      server: "jira",
      enabled: true,
      users: 4,
      variables: [{ ...usage, name: "USER_T", required: true, secret: true }],
    },
    {
      server: "git",
      enabled: false,
      users: 0,
      variables: [{ ...usage, name: "USER_T", required: false, secret: false }],
    },
  ],
  variables: [{ ...usage, name: "USER_T", servers: ["jira", "git"] }],
};

test("by server there is a line for each, and one that is off says so", () => {
  expect(rowsByServer(REPORT).map(({ id, off, required }) => [id, off, required])).toEqual([
    ["jira USER_T", false, true],
    ["git USER_T", true, false],
  ]);
});

test("over all servers a variable is required and secret when any of them says so", () => {
  const [row] = rowsByVariable(REPORT);
  expect([row?.required, row?.secret, row?.off, row?.servers]).toEqual([true, true, false, ["jira", "git"]]);
});

test("a search finds variables by name and by server", () => {
  expect(narrowedUsage(rowsByServer(REPORT), "GIT").map(({ id }) => id)).toEqual(["git USER_T"]);
  expect(narrowedUsage(rowsByServer(REPORT), "user_t")).toHaveLength(2);
});

const issue = (over: Partial<Issue>): Issue => ({
  code: "MISSING_KEY",
  severity: "WARNING",
  username: "ann",
  server: "jira",
  name: "USER_T",
  detail: "",
  ...over,
});

test("issues are shown worst first, counted, and found by whom they are about", () => {
  const issues = issueRows([
    issue({ severity: "INFO" }),
    issue({ severity: "ERROR", username: "bob" }),
    issue({}),
  ]);
  expect(issues.map(({ severity }) => severity)).toEqual(["ERROR", "WARNING", "INFO"]);
  expect(countsOf(issues)).toEqual({ ERROR: 1, WARNING: 1, INFO: 1 });
  expect(narrowedIssues(issues, "all", "bob")).toHaveLength(1);
  expect(narrowedIssues(issues, "INFO", "")).toHaveLength(1);
});

test("names of hub variables are checked as the hub does it", () => {
  expect(["HUB_A", "HUB_9_B"].every(isHubName)).toBe(true);
  expect(["HUB_", "hub_a", "USER_A", "HUB_a", `HUB_${"A".repeat(128)}`].some(isHubName)).toBe(false);
});

test("numbers that are none or beyond what the hub takes are said", () => {
  const draft = { intervalHours: 24, maxOrphanedKeys: 0 } as ShownConfig;
  expect(outOfRange(draft)).toEqual([]);
  expect(outOfRange({ ...draft, intervalHours: 745 })).toEqual(["intervalHours"]);
  expect(outOfRange({ ...draft, intervalHours: 0, maxOrphanedKeys: Number.NaN })).toHaveLength(2);
});

test("only what differs of a schedule is sent", () => {
  const saved: ShownConfig = {
    enabled: false,
    intervalHours: 24,
    autoCleanup: false,
    maxOrphanedKeys: 100,
    scheduledTime: "00:00",
  };
  expect(changesOf({ ...saved, enabled: true, scheduledTime: "03:30" }, saved)).toEqual({
    enabled: true,
    scheduledTime: "03:30",
  });
});

test("a time of day is UTC, and what is none is not shown elsewhere", () => {
  const today = new Date("2026-11-23T12:00:00Z");
  expect(todayAt("03:30", today)?.toISOString()).toBe("2026-11-23T03:30:00.000Z");
  expect(todayAt("24:00", today)).toBeNull();
  expect(todayAt("3:30", today)).toBeNull();
});
