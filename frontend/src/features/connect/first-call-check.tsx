import { useQuery, useQueryClient } from "@tanstack/react-query";
import { CircleCheck } from "lucide-react";
import { useEffect } from "react";
import { MY_ACCESS } from "@/api/my-access";
import { useFormat } from "@/app/look";
import { StaleChip } from "@/components/states";
import { Time } from "@/components/time";
import { useMessages } from "@/i18n";
import { connectTexts } from "@/i18n/connect";
import { rich } from "@/i18n/rich";
import { firstCall } from "./model";
import { keysQuery, lastCallQuery } from "./queries";
import { useOwnCalls } from "./use-own-calls";

/** Waits for the first call since the page was opened, and says who it was. */
export function FirstCallCheck() {
  const m = useMessages(connectTexts);
  const format = useFormat();
  const { calls, stale } = useOwnCalls();
  const call = firstCall(calls);
  const last = useQuery(lastCallQuery).data?.[0];
  const queries = useQueryClient();
  const connected = call !== null;
  const listed = call?.tools != null;
  useEffect(() => {
    if (!connected && !listed) return;
    void queries.invalidateQueries({ queryKey: keysQuery.queryKey }); // a key was used
    void queries.invalidateQueries({ queryKey: MY_ACCESS }); // and servers have listed their tools
  }, [connected, listed, queries]);
  return (
    <div role="status" aria-live="polite" className="flex flex-col gap-1">
      {call === null ? (
        <>
          <p className="flex items-center gap-2 text-ink-2">
            <span className="relative grid size-4 place-items-center" aria-hidden>
              <span className="size-3 animate-spin rounded-full border-2 border-accent border-t-transparent" />
            </span>
            {m.connect.waiting}
            {stale ? <StaleChip /> : null}
          </p>
          <p className="text-ink-3 text-xs">{m.connect.waitingHint}</p>
        </>
      ) : (
        <p className="flex flex-wrap items-center gap-x-2 rounded-md bg-ok-soft px-3 py-2 text-ok">
          <CircleCheck className="size-4" aria-hidden />
          <span>{rich(m.connect.connected(call.client || m.connect.unknownClient))}</span>
          <span className="text-ink-2 text-xs">
            {call.tools === null
              ? m.connect.connectedProtocol(call.protocol)
              : m.connect.connectedDetail(call.protocol, format.number(call.tools))}
          </span>
          <Time at={call.at} as="clock" className="ml-auto text-ink-2" />
        </p>
      )}
      {last && call === null ? (
        <p className="text-ink-3 text-xs">
          {m.connect.lastCall}: {last.clientName ?? m.connect.unknownClient} <Time at={last.startedAt} />
        </p>
      ) : null}
    </div>
  );
}
