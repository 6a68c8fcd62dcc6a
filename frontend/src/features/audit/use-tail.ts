import { useCallback, useEffect, useMemo, useState } from "react";
import { useLiveStream } from "@/api/use-live-stream";
import { arrived, emptyList, type LiveList, released } from "@/lib/live-list";
import type { Asked, Item } from "./model";
import { streamPath } from "./queries";

interface TailOptions {
  asked: Asked;
  /** Where the stream goes on: behind the first page. Undefined while that is not there. */
  head: string | undefined;
  /** Is there anything to follow? A stretch of time that was chosen is over. */
  enabled: boolean;
  /** Nothing is put on the screen: somebody stopped it, or reads further down. */
  hold: boolean;
}

/** What happens while the page is open. The stream goes on while the list is held, so nothing is lost. */
export function useTail({ asked, head, enabled, hold }: TailOptions) {
  const path = useMemo(() => streamPath(asked), [asked]);
  const [list, setList] = useState<LiveList<Item>>(emptyList);
  const [of, setOf] = useState(path);
  if (of !== path) {
    setOf(path);
    setList(emptyList());
  }
  const state = useLiveStream(
    path,
    (event) => setList((now) => arrived(now, JSON.parse(event.data) as Item, hold)),
    { enabled: enabled && head !== undefined, lastEventId: head },
  );
  useEffect(() => {
    if (!hold) setList(released);
  }, [hold]);
  const release = useCallback(() => setList(released), []);
  const forget = useCallback(() => setList(emptyList()), []);
  return { list, state, release, forget };
}
