import { problemOf } from "./problem";
import { isSignedOut } from "./query-client";

/** One message of a stream of server-sent events. */
export interface StreamEvent {
  id: string;
  data: string;
}

/** `over`: the hub does not let this reader follow any more, so nothing is tried again. */
export type StreamState = "connecting" | "live" | "reconnecting" | "over";

export interface StreamOptions {
  /** Begins behind this id. */
  lastEventId?: string;
  /** Goes on while nobody sees the page. */
  whileHidden?: boolean;
  onEvent: (event: StreamEvent) => void;
  onState: (state: StreamState) => void;
}

const FIRST_WAIT = 500; // milliseconds
const LONGEST_WAIT = 15_000;
const HIDDEN_FOR = 30_000;

/**
 * Follows a stream of the hub and takes it up again behind the last event whenever it breaks. A browser's EventSource
 * gives up when an answer is not 200, as from a hub that is just starting, and cannot say where to begin; so it is read
 * here.
 *
 * A page that nobody sees lets go of it, and goes on when it is seen again: a browser opens six connections to a hub
 * without HTTP/2, for all its tabs together, and six streams of tabs in the background would leave none to work with.
 *
 * @returns ends it.
 */
export function follow(path: string, options: StreamOptions): () => void {
  const { lastEventId = "", whileHidden = false, onEvent, onState } = options;
  const ended = new AbortController();
  let last = lastEventId;
  let tries = 0;

  const run = async () => {
    onState("connecting");
    while (!ended.signal.aborted) {
      if (!whileHidden) await seen(ended.signal);
      if (ended.signal.aborted) return;
      const attempt = new AbortController();
      const giveUp = () => attempt.abort();
      const leave = whileHidden ? () => undefined : whenHidden(giveUp);
      ended.signal.addEventListener("abort", giveUp);
      try {
        const headers: Record<string, string> = { Accept: "text/event-stream" };
        if (last) headers["Last-Event-ID"] = last;
        const response = await fetch(path, { headers, signal: attempt.signal });
        if (!response.ok || response.body === null) throw await problemOf(response);
        tries = 0;
        onState("live");
        for await (const event of read(response.body)) {
          if (event.id) last = event.id;
          onEvent(event);
        }
      } catch (error) {
        if (isSignedOut(error)) {
          onState("over");
          return;
        }
      } finally {
        leave();
        ended.signal.removeEventListener("abort", giveUp);
      }
      if (ended.signal.aborted) return;
      onState("reconnecting");
      if (attempt.signal.aborted) continue;
      await wait(Math.min(FIRST_WAIT * 2 ** tries, LONGEST_WAIT), ended.signal);
      tries += 1;
    }
  };
  void run();
  return () => ended.abort();
}

/** Calls when the page has been out of sight for a while. */
function whenHidden(then: () => void): () => void {
  if (typeof document === "undefined") return () => undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const look = () => {
    clearTimeout(timer);
    if (document.hidden) timer = setTimeout(then, HIDDEN_FOR);
  };
  look();
  document.addEventListener("visibilitychange", look);
  return () => {
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", look);
  };
}

/** Returns when the page is in sight, or when it is ended. */
function seen(ended: AbortSignal): Promise<void> {
  if (typeof document === "undefined" || !document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (document.hidden && !ended.aborted) return;
      document.removeEventListener("visibilitychange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    ended.addEventListener("abort", look, { once: true });
  });
}

async function* read(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Pieces of a stream in, whole events out; comments and fields that nobody uses are passed over. */
export class EventParser {
  private rest = "";
  private id = "";
  private lines: string[] = [];

  *push(piece: string): Generator<StreamEvent> {
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line === "") {
        if (this.lines.length > 0) yield { id: this.id, data: this.lines.join("\n") };
        this.lines = [];
      } else if (line.startsWith("data:")) {
        this.lines.push(line.slice(5).replace(/^ /, ""));
      } else if (line.startsWith("id:")) {
        this.id = line.slice(3).trim();
      }
    }
  }
}

function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
