import { useEffect, useState } from "react";
import type { LiveSession } from "@/api/schema.gen";
import type { StreamState } from "@/api/stream";
import { useLiveStream } from "@/api/use-live-stream";
import { ENDED_FOR, renewed, type ShownSession } from "./model";

/** The sessions of this node as the hub says them; null until it said so once. */
export function useLiveSessions(): { shown: ShownSession[] | null; state: StreamState | "paused" } {
  const [shown, setShown] = useState<ShownSession[] | null>(null);
  const state = useLiveStream("/api/admin/session-stats/stream", ({ data }) => {
    const { data: live }: { data: LiveSession[] } = JSON.parse(data);
    setShown((before) => renewed(before ?? [], live, Date.now()));
  });
  const ended = shown?.some(({ endedAt }) => endedAt !== null) ?? false;
  useEffect(() => {
    if (!ended) return;
    const timer = setTimeout(
      () =>
        setShown(
          (now) => now?.filter(({ endedAt }) => endedAt === null || Date.now() - endedAt < ENDED_FOR) ?? null,
        ),
      ENDED_FOR,
    );
    return () => clearTimeout(timer);
    // Another one that ends later is let go by the next word of the hub, or by the timer after it.
  }, [ended]);
  return { shown, state };
}
