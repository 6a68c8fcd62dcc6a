import { useState } from "react";
import type { RequestView } from "@/api/schema.gen";
import { useLiveStream } from "@/api/use-live-stream";
import { withCall } from "./model";

/** The reader's calls since the page was opened, newest first, until one has listed tools. */
export function useOwnCalls(): { calls: RequestView[]; stale: boolean } {
  const [since] = useState(() => new Date().toISOString());
  const [calls, setCalls] = useState<RequestView[]>([]);
  const state = useLiveStream(
    `/api/requests/stream?from=${encodeURIComponent(since)}`,
    ({ data }) => setCalls((before) => withCall(before, JSON.parse(data))),
    // The list of tools comes after the greeting; and one looks at the client meanwhile.
    { enabled: !calls.some(({ shown }) => shown !== null), whileHidden: true },
  );
  return { calls, stale: state === "reconnecting" };
}
