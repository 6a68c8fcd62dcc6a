import { useEffect, useRef, useState } from "react";
import { follow, type StreamEvent, type StreamState } from "./stream";

/**
 * Follows a stream while the component is there and `enabled`.
 *
 * @param path with its query; another path is another stream.
 * @param onEvent told each event; the newest one given is called.
 * @param whileHidden goes on while nobody sees the page.
 */
export function useLiveStream(
  path: string,
  onEvent: (event: StreamEvent) => void,
  {
    enabled = true,
    whileHidden = false,
    lastEventId,
  }: { enabled?: boolean; whileHidden?: boolean; lastEventId?: string } = {},
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
      whileHidden,
      onEvent: (event) => listener.current(event),
      onState: setState,
    });
  }, [path, enabled, whileHidden]);
  return enabled ? state : "paused";
}
