import { describe, expect, it } from "vitest";
import type { Figures, RequestView } from "@/api/schema.gen";
import {
  before,
  bucketOf,
  courseOf,
  filtersOf,
  growth,
  laidOut,
  leftOutCount,
  leftOutOf,
  phasesOf,
  windowOf,
} from "./model";

const at = (text: string) => new Date(`2026-11-26T${text}Z`);

describe("filters", () => {
  it("are read from the query", () => {
    expect(
      filtersOf(
        "server:jira tool:search user:ann status:failed is:tool_error latency:>=1.5s method:tools/call",
      ),
    ).toEqual({
      filters: {
        server: "jira",
        tool: "search",
        user: "ann",
        status: "Failed",
        is: "tool_error",
        latency: 1500,
        method: "tools/call",
      },
      unknown: [],
    });
  });

  it("leave what the hub cannot be asked to be named", () => {
    const { filters, unknown } = filtersOf(
      "-server:jira word status:lost is:slow latency:<=1s latency:soon session:1 color:red",
    );
    expect(filters).toEqual({});
    expect(unknown).toHaveLength(8);
  });
});

describe("a window", () => {
  it("of the last hours begins with a bucket", () => {
    const window = windowOf({ span: "3h" }, at("12:34:56"));
    expect(window.from).toEqual(at("09:34:00"));
    expect(bucketOf(window)).toBe(120);
  });

  it("has as long a one before it", () => {
    expect(before({ from: at("09:00:00"), to: at("12:00:00") })).toEqual({
      from: at("06:00:00"),
      to: at("09:00:00"),
    });
  });

  it.each([
    [900, 10],
    [3600, 30],
    [86_400, 900],
    [604_800, 7200],
    [366 * 86_400, 86_400 * 4],
  ])("of %d seconds has buckets of %d", (seconds, step) => {
    const to = at("12:00:00");
    expect(bucketOf({ from: new Date(to.getTime() - seconds * 1000), to })).toBe(step);
  });
});

describe("a course", () => {
  it("has its empty buckets", () => {
    const figures = { at: "2026-11-26T12:02:00Z", count: 3 } as Figures;
    const { times, points } = courseOf([figures], { from: at("12:00:00"), to: at("12:05:00") }, 120);
    expect(times.map((time) => new Date(time * 1000))).toEqual([
      at("12:00:00"),
      at("12:02:00"),
      at("12:04:00"),
    ]);
    expect(points).toEqual([undefined, figures, undefined]);
  });
});

describe("a comparison", () => {
  it("is a fraction of what was", () => {
    expect(growth(150, 100)).toBe(0.5);
    expect(growth(100, 0)).toBeNull();
    expect(growth(null, 5)).toBeNull();
  });
});

describe("a request", () => {
  it("says where its time went", () => {
    const phases = phasesOf({ durationMs: 100, waitMs: 20, upstreamMs: 70 } as RequestView);
    expect(phases).toEqual([
      { name: "hub", ms: 10 },
      { name: "wait", ms: 20 },
      { name: "upstream", ms: 70 },
    ]);
    expect(phasesOf({ durationMs: null } as RequestView)).toEqual([]);
    const failed = { durationMs: 86, waitMs: null, upstreamMs: 0, server: "git", status: "Failed" };
    expect(phasesOf(failed as RequestView)).toEqual([
      { name: "both", ms: 86 },
      { name: "wait", ms: 0 },
    ]);
  });

  it("says what a list left out, the most first, and counts no older list", () => {
    const leftOut = { items: { switched_off: 2 }, servers: { no_active_group: 3 }, stale: { late: 1 } };
    expect(leftOutOf(leftOut).map(({ reason }) => reason)).toEqual([
      "no_active_group",
      "switched_off",
      "late",
    ]);
    expect(leftOutCount(leftOut)).toBe(5);
    expect(leftOutCount(null)).toBe(0);
  });
});

describe("a payload", () => {
  it("is laid out when it is JSON, and stands as it is when it was cut", () => {
    expect(laidOut('{"a":1}')).toBe('{\n  "a": 1\n}');
    expect(laidOut('{"a":"long')).toBe('{"a":"long');
  });
});
