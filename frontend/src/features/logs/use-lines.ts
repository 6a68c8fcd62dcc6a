import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, useRef, useState } from "react";
import { useLiveStream } from "@/api/use-live-stream";
import { type Filters, type Line, lineOf, withNewer } from "./model";
import { logsQuery, streamPath } from "./queries";

const NOTHING: Line[] = [];

/** The log as far as it was read, oldest first, and what comes in while it is followed. */
export function useLines(filters: Filters, live: boolean) {
  const history = useInfiniteQuery(logsQuery(filters));
  const path = streamPath(filters);
  const [heard, setHeard] = useState<{ path: string; lines: Line[] }>({ path, lines: NOTHING });
  const newer = heard.path === path ? heard.lines : NOTHING;
  const head = history.data?.pages[0]?.head;
  const pending = useRef<Line[]>([]);
  const state = useLiveStream(
    path,
    ({ data }) => {
      pending.current.push(lineOf(JSON.parse(data) as Record<string, unknown>));
      if (pending.current.length > 1) return;
      // A busy hub writes many lines a frame; they are drawn together.
      requestAnimationFrame(() => {
        const lines = pending.current;
        pending.current = [];
        setHeard((now) => ({ path, lines: withNewer(now.path === path ? now.lines : NOTHING, lines) }));
      });
    },
    { enabled: live && head !== undefined, lastEventId: String(newer.at(-1)?.n ?? head ?? "") },
  );
  const older = history.data?.pages;
  const lines = useMemo(
    () => withNewer(older ? older.toReversed().flatMap((page) => page.lines) : NOTHING, newer),
    [older, newer],
  );
  return { history, lines, state };
}
