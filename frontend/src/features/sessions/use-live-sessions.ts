import { useEffect, useState } from "react";
import type { HeardNode, LiveSession } from "@/api/schema.gen";
import type { StreamState } from "@/api/stream";
import { useLiveStream } from "@/api/use-live-stream";
import { ENDED_FOR, renewed, type ShownSession } from "./model";

interface LiveSessions {
  /** null until the hub said it once */
  shown: ShownSession[] | null;
  nodes: HeardNode[];
  state: StreamState | "paused";
}

/** The sessions of all nodes as the hub says them. */
export function useLiveSessions(): LiveSessions {
  const [shown, setShown] = useState<ShownSession[] | null>(null);
  const [nodes, setNodes] = useState<HeardNode[]>([]);
  const state = useLiveStream("/api/admin/session-stats/stream", ({ data }) => {
    const { data: live, nodes }: { data: LiveSession[]; nodes: HeardNode[] } = JSON.parse(data);
    setNodes(nodes);
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
  return { shown, nodes, state };
}
