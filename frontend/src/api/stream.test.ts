import { afterEach, expect, test, vi } from "vitest";
import { EventParser, follow, type StreamState } from "./stream";

const events = (...pieces: string[]) => {
  const parser = new EventParser();
  return pieces.flatMap((piece) => [...parser.push(piece)]);
};

test("an event may come in any pieces", () => {
  expect(events("id: 7\nda", 'ta: {"a"', ":1}\n", "\n")).toEqual([{ id: "7", data: '{"a":1}' }]);
});

test("comments are no events, and several lines of data are one", () => {
  expect(events(": ping\n\ndata: a\ndata: b\n\n")).toEqual([{ id: "", data: "a\nb" }]);
});

test("an event without an id keeps the last one", () => {
  expect(events("id: 1\ndata: a\n\ndata: b\n\n").map((event) => event.id)).toEqual(["1", "1"]);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("a broken stream is taken up behind the last event", async () => {
  vi.useFakeTimers();
  const asked: (string | null)[] = [];
  const answers = ["id: 41\ndata: one\n\n", "id: 42\ndata: two\n\n"];
  vi.stubGlobal("fetch", (_: string, { headers }: { headers: Record<string, string> }) => {
    asked.push(headers["Last-Event-ID"] ?? null);
    const answer = answers.shift();
    return answer === undefined
      ? Promise.resolve(new Response(null, { status: 503 }))
      : Promise.resolve(new Response(answer, { status: 200 }));
  });
  const got: string[] = [];
  const states: StreamState[] = [];
  const end = follow("/events", {
    onEvent: ({ data }) => got.push(data),
    onState: (state) => states.push(state),
  });

  await vi.waitFor(() => expect(got).toEqual(["one"]));
  await vi.advanceTimersByTimeAsync(600);
  await vi.waitFor(() => expect(got).toEqual(["one", "two"]));
  await vi.advanceTimersByTimeAsync(2000);
  end();

  expect(asked.slice(0, 3)).toEqual([null, "41", "42"]);
  expect(states.slice(0, 4)).toEqual(["connecting", "live", "reconnecting", "live"]);
});

test("a reader who is signed out does not try again", async () => {
  const fetched = vi.fn(() =>
    Promise.resolve(new Response(JSON.stringify({ code: "session_ended", title: "x" }), { status: 401 })),
  );
  vi.stubGlobal("fetch", fetched);
  const states: StreamState[] = [];
  follow("/events", { onEvent: () => undefined, onState: (state) => states.push(state) });

  await vi.waitFor(() => expect(states).toEqual(["connecting", "over"]));
  expect(fetched).toHaveBeenCalledTimes(1);
});
