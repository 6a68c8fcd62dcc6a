import { useState } from "react";
import type { StreamState } from "@/api/stream";
import { useLiveStream } from "@/api/use-live-stream";
import type { Said } from "./model";

/** The read tables as the hub says them; null until it said so once. */
export function useProjections(): { said: Said | null; state: StreamState | "paused" } {
  const [said, setSaid] = useState<Said | null>(null);
  const state = useLiveStream("/api/admin/projections/stream", ({ data }) => setSaid(JSON.parse(data)));
  return { said, state };
}
