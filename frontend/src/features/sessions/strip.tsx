import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useFormat } from "@/app/look";
import { Sparkline } from "@/components/plots/sparkline";
import { useMessages } from "@/i18n";
import { sessionsTexts } from "@/i18n/sessions";
import { cn } from "@/lib/cn";
import { inFlight, type ShownSession } from "./model";
import { recentQuery } from "./queries";

/** The present in a few figures. */
export function Strip({ shown, stale }: { shown: ShownSession[] | null; stale: boolean }) {
  const m = useMessages(sessionsTexts);
  const format = useFormat();
  const recent = useQuery(recentQuery).data;
  const figures = recent?.figures;
  const alive = shown?.filter(({ endedAt }) => endedAt === null);
  const rate = recent ? (figures?.count ?? 0) / recent.minutes : null;
  const cells: { name: string; value: string; bad?: boolean; more?: ReactNode }[] = [
    { name: m.sessions.count, value: alive ? format.number(alive.length) : "–" },
    { name: m.sessions.inFlight, value: shown ? format.number(inFlight(shown)) : "–" },
    {
      name: m.sessions.rate,
      value: rate === null ? "–" : format.number(Number(rate.toFixed(1))),
      more: recent ? <Sparkline values={recent.bins} label={m.sessions.rateTrend} /> : null,
    },
    { name: m.sessions.p95, value: figures?.p95Ms == null ? "–" : format.duration(figures.p95Ms) },
    {
      name: m.sessions.errors,
      value: recent ? format.number(figures?.errors ?? 0) : "–",
      bad: (figures?.errors ?? 0) > 0,
      more: figures?.errors ? (
        <Link
          to="/admin/requests"
          search={{ q: "status:Failed", span: "15m" }}
          className="text-accent text-xs underline"
        >
          {m.sessions.open}
        </Link>
      ) : null,
    },
  ];
  return (
    <dl className="grid grid-cols-[repeat(auto-fit,minmax(132px,1fr))] shrink-0 gap-px overflow-hidden rounded-lg border border-line bg-surface">
      {cells.map(({ name, value, bad, more }) => (
        <div key={name} className="cell-line px-3 py-2">
          <dt className="text-2xs text-ink-3">{name}</dt>
          <dd className={cn("flex items-center gap-2 tabular-nums", stale && "text-ink-3")}>
            <span className={cn("font-semibold text-lg", bad && "text-bad")}>{value}</span>
            {more}
          </dd>
        </div>
      ))}
    </dl>
  );
}
