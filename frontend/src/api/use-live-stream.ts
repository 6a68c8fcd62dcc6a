import { useEffect, useRef, useState } from "react";
import { follow, type StreamEvent, type StreamState } from "./stream";

/**
 * Follows a stream while the component is there and `enabled`.
 *
 * @param path with its query; another path is another stream.
 * @param onEvent told each event; the newest one given is called.
 */
export function useLiveStream(
  path: string,
  onEvent: (event: StreamEvent) => void,
  { enabled = true, lastEventId }: { enabled?: boolean; lastEventId?: string } = {},
): StreamState | "paused" {
  const [state, setState] = useState<StreamState>("connecting");
  const listener = useRef(onEvent);
  const from = useRef(lastEventId);
  useEffect(() => {
    listener.current = onEvent;
    from.current = lastEventId;
  });
  useEffect(() => {
    if (!enabled) return;
    return follow(path, {
      lastEventId: from.current,
      onEvent: (event) => listener.current(event),
      onState: setState,
    });
  }, [path, enabled]);
  return enabled ? state : "paused";
}
