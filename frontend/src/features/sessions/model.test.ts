import { describe, expect, it } from "vitest";
import type { LiveSession } from "@/api/schema.gen";
import {
  ENDED_FOR,
  found,
  idleFor,
  inFlight,
  namesOf,
  renewed,
  type ShownSession,
  silent,
  used,
} from "./model";

const session = (id: string, more: Partial<LiveSession> = {}) =>
  ({
    id,
    username: "ann",
    clientName: "cursor",
    keyName: "laptop",
    since: `2026-01-0${id}`,
    inFlight: 0,
    calls: [],
    idleSeconds: 0,
    nodes: ["n1"],
    ...more,
  }) as LiveSession;

const states = (shown: ShownSession[]) => shown.map(({ session: { id }, endedAt }) => [id, endedAt]);

describe("live sessions", () => {
  it("are the newest first", () => {
    expect(states(renewed([], [session("1"), session("2")], 0))).toEqual([
      ["2", null],
      ["1", null],
    ]);
  });

  it("that ended stay for a moment with nothing in flight, and leave", () => {
    const before = renewed([], [session("1", { inFlight: 2 }), session("2")], 0);
    const after = renewed(before, [session("2")], 1000);
    expect(states(after)).toEqual([
      ["2", null],
      ["1", 1000],
    ]);
    expect(inFlight(after)).toBe(0);
    expect(states(renewed(after, [session("2")], 1000 + ENDED_FOR))).toEqual([["2", null]]);
  });

  it("are found by user, client and key", () => {
    const shown = renewed([], [session("1"), session("2", { username: "bob", keyName: "Desk" })], 0);
    expect(states(found(shown, "desk"))).toEqual([["2", null]]);
    expect(found(shown, " ")).toHaveLength(2);
  });

  it("grow idle between two words of the hub", () => {
    expect(idleFor({ session: session("1", { idleSeconds: 3 }), endedAt: null, saidAt: 1000 }, 2500)).toBe(
      4500,
    );
  });
});

describe("nodes", () => {
  const nodes = [
    { id: "n1", name: "seoul-1", answered: true },
    { id: "n2", name: "seoul-2", answered: false },
  ];

  it("are called by their names, one that left by its id", () => {
    expect(namesOf(nodes, ["n2", "n1", "n9"])).toBe("seoul-2, seoul-1, n9");
  });

  it("that did not answer are named", () => {
    expect(silent(nodes)).toBe("seoul-2");
    expect(silent(nodes.slice(0, 1))).toBe("");
  });
});

describe("a call", () => {
  const call = {
    requestId: "r",
    method: "tools/call",
    server: "s",
    tool: "t",
    since: "1970-01-01T00:00:01Z",
  };

  it("uses its time up", () => {
    expect(used({ ...call, timeoutMs: 4000 }, 2000)).toBe(0.25);
    expect(used({ ...call, timeoutMs: 4000 }, 9000)).toBe(1);
  });

  it("without a timeout has no share", () => {
    expect(used({ ...call, timeoutMs: null }, 2000)).toBeNull();
  });
});
