import type { Figures } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { cn } from "@/lib/cn";
import { growth, toolErrorRate } from "./model";

interface FiguresStripProps {
  now: Figures | undefined;
  /** Of the period before, when that is compared. */
  then?: Figures;
  comparing: boolean;
  pending?: number;
}

/** The period in a few figures. */
export function FiguresStrip({ now, then, comparing, pending }: FiguresStripProps) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const took = (ms: number | null | undefined) => (ms == null ? "–" : format.duration(ms));
  const cells = [
    {
      name: m.requests.count,
      value: format.number(now?.count ?? 0),
      of: growth(now?.count ?? 0, then?.count),
    },
    {
      name: m.requests.errorRate,
      value: format.percent(now?.errorRate ?? 0),
      detail: format.number(now?.errors ?? 0),
      bad: (now?.errors ?? 0) > 0,
      of: growth(now?.errorRate ?? 0, then?.errorRate),
      worse: true,
    },
    {
      name: m.requests.toolErrors,
      value: format.percent(toolErrorRate(now)),
      detail: format.number(now?.toolErrors ?? 0),
      of: growth(toolErrorRate(now), then && toolErrorRate(then)),
      worse: true,
    },
    {
      name: m.requests.denied,
      value: format.number(now?.denied ?? 0),
      of: growth(now?.denied ?? 0, then?.denied),
    },
    ...(pending === undefined ? [] : [{ name: m.requests.pending, value: format.number(pending), of: null }]),
    { name: m.requests.mean, value: took(now?.meanMs), of: growth(now?.meanMs, then?.meanMs), worse: true },
    { name: "p50", value: took(now?.p50Ms), of: growth(now?.p50Ms, then?.p50Ms), worse: true },
    { name: "p95", value: took(now?.p95Ms), of: growth(now?.p95Ms, then?.p95Ms), worse: true },
    { name: "p99", value: took(now?.p99Ms), of: growth(now?.p99Ms, then?.p99Ms), worse: true },
  ];
  return (
    <dl className="grid grid-cols-[repeat(auto-fit,minmax(104px,1fr))] gap-px overflow-hidden rounded-lg border border-line bg-surface">
      {cells.map(({ name, value, detail, bad, of, worse }) => (
        <div key={name} className="cell-line px-3 py-2">
          <dt className="text-2xs text-ink-3">{name}</dt>
          <dd className="flex items-baseline gap-1.5 tabular-nums">
            <span className={cn("font-semibold text-lg", bad && "text-bad")}>{value}</span>
            {detail ? <span className="text-ink-3 text-xs">{detail}</span> : null}
            {comparing && of !== null ? <Growth of={of} worse={worse ?? false} /> : null}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Growth({ of, worse }: { of: number; worse: boolean }) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const text = `${of > 0 ? "+" : of < 0 ? "−" : "±"}${format.percent(Math.abs(of))}`;
  return (
    <span
      title={m.requests.grew(text)}
      className={cn(
        "ml-auto text-xs",
        worse && of > 0.1 ? "text-bad" : worse && of < -0.1 ? "text-ok" : "text-ink-3",
      )}
    >
      <span aria-hidden>{text}</span>
      <span className="sr-only">{m.requests.grew(text)}</span>
    </span>
  );
}
