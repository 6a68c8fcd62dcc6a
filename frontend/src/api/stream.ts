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
  onEvent: (event: StreamEvent) => void;
  onState: (state: StreamState) => void;
}

const FIRST_WAIT = 500; // milliseconds
const LONGEST_WAIT = 15_000;

/**
 * Follows a stream of the hub and takes it up again behind the last event whenever it breaks. A browser's EventSource
 * gives up when an answer is not 200, as from a hub that is just starting, and cannot say where to begin; so it is read
 * here.
 *
 * @returns ends it.
 */
export function follow(path: string, { lastEventId = "", onEvent, onState }: StreamOptions): () => void {
  const ended = new AbortController();
  let last = lastEventId;
  let tries = 0;

  const run = async () => {
    onState("connecting");
    while (!ended.signal.aborted) {
      try {
        const headers: Record<string, string> = { Accept: "text/event-stream" };
        if (last) headers["Last-Event-ID"] = last;
        const response = await fetch(path, { headers, signal: ended.signal });
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
      }
      if (ended.signal.aborted) return;
      onState("reconnecting");
      await wait(Math.min(FIRST_WAIT * 2 ** tries, LONGEST_WAIT), ended.signal);
      tries += 1;
    }
  };
  void run();
  return () => ended.abort();
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
