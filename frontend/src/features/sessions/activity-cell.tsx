import { useFormat } from "@/app/look";
import { useMessages } from "@/i18n";
import { sessionsTexts } from "@/i18n/sessions";
import { cn } from "@/lib/cn";
import { idleFor, type ShownSession, used } from "./model";
import { useTick } from "./use-tick";

const SHORT = 2_000; // milliseconds of idleness that are none

/** What a session does: the call that runs longest, growing towards its timeout; or for how long it has done nothing. */
export function ActivityCell({ row }: { row: ShownSession }) {
  const m = useMessages(sessionsTexts);
  const format = useFormat();
  const now = useTick(row.endedAt === null);
  const { session, endedAt } = row;
  const call = session.calls[0];
  if (endedAt !== null) return <span className="text-ink-3">{m.sessions.ended}</span>;
  if (!call) {
    if (session.streamOpen) return <span className="text-ink-3">{m.sessions.listening}</span>;
    const idle = idleFor(row, now);
    const text = idle < SHORT ? m.sessions.justNow : m.sessions.idle(format.duration(idle));
    return <span className="text-ink-3">{text}</span>;
  }
  const share = used(call, now);
  return (
    <span className="flex items-center gap-2">
      <span className="h-1.5 w-12 shrink-0 overflow-hidden rounded-sm bg-raised" aria-hidden>
        <span
          className={cn("block h-full", (share ?? 0) > 0.8 ? "bg-bad" : "bg-accent")}
          style={{ width: `${Math.max((share ?? 0) * 100, 4)}%` }}
        />
      </span>
      <span className="truncate font-mono text-xs">
        {call.method} {call.tool || call.server}
      </span>
      <span className="shrink-0 tabular-nums">
        {format.duration(Math.max(now - Date.parse(call.since), 0))}
      </span>
      {session.calls.length > 1 ? (
        <span className="shrink-0 text-ink-3">
          {m.sessions.moreCalls(format.number(session.calls.length - 1))}
        </span>
      ) : null}
    </span>
  );
}
