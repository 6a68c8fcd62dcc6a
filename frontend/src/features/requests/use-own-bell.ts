import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { useLiveStream } from "@/api/use-live-stream";
import { type Asked, goesOn, ownRowsKey } from "./queries";

const AT_MOST_EVERY = 1_000; // milliseconds

/** While the reader's own requests are live: asks for the list again when one of them has begun or ended. */
export function useOwnBell(asked: Asked): void {
  const queries = useQueryClient();
  const [since] = useState(() => new Date().toISOString());
  const waiting = useRef<ReturnType<typeof setTimeout>>(undefined);
  const ring = useCallback(() => {
    waiting.current ??= setTimeout(() => {
      waiting.current = undefined;
      void queries.invalidateQueries({
        queryKey: ownRowsKey,
        predicate: ({ state }) => goesOn((state.data as { pages?: unknown[] } | undefined)?.pages),
      });
    }, AT_MOST_EVERY);
  }, [queries]);
  useEffect(() => () => clearTimeout(waiting.current), []);
  useLiveStream(`/api/requests/stream?from=${encodeURIComponent(since)}`, ring, {
    enabled: !asked.all && asked.live && "span" in asked.range,
  });
}
