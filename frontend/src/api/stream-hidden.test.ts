// @vitest-environment jsdom
import { afterEach, expect, test, vi } from "vitest";
import { follow } from "./stream";

let hidden = false;
Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });

function become(now: boolean): void {
  hidden = now;
  document.dispatchEvent(new Event("visibilitychange"));
}

/** A hub whose streams never end by themselves: what was asked, and how many are open. */
function hub() {
  const asked: (string | null)[] = [];
  const open = new Set<AbortSignal>();
  vi.stubGlobal("fetch", (_: string, init: { headers: Record<string, string>; signal: AbortSignal }) => {
    asked.push(init.headers["Last-Event-ID"] ?? null);
    open.add(init.signal);
    const body = new ReadableStream<Uint8Array>({
      start(stream) {
        stream.enqueue(new TextEncoder().encode("id: 41\ndata: one\n\n"));
        init.signal.addEventListener("abort", () => {
          open.delete(init.signal);
          stream.error(new DOMException("aborted", "AbortError"));
        });
      },
    });
    return Promise.resolve(new Response(body, { status: 200 }));
  });
  return { asked, open };
}

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
  become(false);
});

test("a page out of sight lets go of its stream, and goes on where it was when it is seen", async () => {
  vi.useFakeTimers();
  const { asked, open } = hub();
  const end = follow("/events", { onEvent: () => undefined, onState: () => undefined });
  await vi.advanceTimersByTimeAsync(10);
  expect(open.size).toBe(1);

  become(true);
  await vi.advanceTimersByTimeAsync(29_000);
  expect(open.size).toBe(1);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(open.size).toBe(0);
  become(false);
  await vi.advanceTimersByTimeAsync(10);

  expect(open.size).toBe(1);
  expect(asked).toEqual([null, "41"]);
  end();
  expect(open.size).toBe(0);
});

test("a page opened in the background begins when it is seen, unless it has to listen", async () => {
  become(true);
  const { asked } = hub();
  const end = follow("/events", { onEvent: () => undefined, onState: () => undefined });
  const listening = follow("/events", {
    whileHidden: true,
    onEvent: () => undefined,
    onState: () => undefined,
  });
  await vi.waitFor(() => expect(asked.length).toBe(1));

  become(false);

  await vi.waitFor(() => expect(asked.length).toBe(2));
  end();
  listening();
});
