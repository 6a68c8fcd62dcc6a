import { useMemo } from "react";
import type { Figures } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Histogram } from "@/components/plots/histogram";
import { AXIS, TimePlot } from "@/components/plots/time-plot";
import { Card, CardHead } from "@/components/ui/card";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { cn } from "@/lib/cn";
import { courseOf, type Window } from "./model";

const LINES = [
  { id: "p50", key: "p50Ms", color: "var(--cat-group)" },
  { id: "p95", key: "p95Ms", color: "var(--cat-user)" },
  { id: "p99", key: "p99Ms", color: "var(--cat-access)" },
] as const;

interface LatencyCardProps {
  figures: Figures[];
  window: Window;
  /** Seconds of a bucket. */
  bucket: number;
  /** Figures of the period before, by time, when that is compared. */
  then?: { figures: Figures[]; window: Window };
  /** Ids of the lines that are not drawn. */
  hidden: string[];
  onHide: (hidden: string[]) => void;
  onZoom: (window: Window) => void;
}

/** How long answers took over time, and below it how many there were and how they ended. */
export function LatencyCard({ figures, window, bucket, then, hidden, onHide, onZoom }: LatencyCardProps) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const { times, points } = useMemo(() => courseOf(figures, window, bucket), [figures, window, bucket]);
  const earlier = useMemo(
    () => (then ? courseOf(then.figures, then.window, bucket).points : undefined),
    [then, bucket],
  );
  const series = useMemo(
    () => [
      ...LINES.filter(({ id }) => !hidden.includes(id)).map(({ id, key, color }) => ({
        id,
        label: id,
        color,
        values: points.map((point) => point?.[key] ?? null),
      })),
      ...(earlier
        ? [
            {
              id: "before",
              label: m.requests.p95Before,
              color: "var(--ink-3)",
              dashed: true,
              values: times.map((_, at) => earlier[at]?.p95Ms ?? null),
            },
          ]
        : []),
    ],
    [points, earlier, times, hidden, m],
  );
  const bins = useMemo(
    () =>
      times.map((time, at) => {
        const { count = 0, errors = 0, toolErrors = 0, denied = 0, cancelled = 0 } = points[at] ?? {};
        const ok = count - errors - toolErrors - denied - cancelled;
        return {
          at: time * 1000,
          counts: { errors, toolErrors, denied, cancelled, ok },
        };
      }),
    [times, points],
  );
  const kinds = [
    { id: "ok", label: m.requests.ok, color: "var(--cat-group)" },
    { id: "cancelled", label: m.requests.cancelled, color: "var(--line-strong)" },
    { id: "denied", label: m.requests.denied, color: "var(--warn)" },
    { id: "toolErrors", label: m.requests.toolErrors, color: "var(--cat-secret)" },
    { id: "errors", label: m.requests.failed, color: "var(--bad)" },
  ];
  const zoom = useMemo(
    () => (from: number, to: number) => onZoom({ from: new Date(from * 1000), to: new Date(to * 1000) }),
    [onZoom],
  );
  return (
    <Card className="px-3.5 pb-3">
      <CardHead
        title={m.requests.latency}
        detail={<span className="font-sans">{m.requests.latencyHint}</span>}
        className="px-0"
        end={
          <fieldset className="flex gap-1">
            <legend className="sr-only">{m.requests.percentiles}</legend>
            {LINES.map(({ id, color }) => {
              const on = !hidden.includes(id);
              return (
                <button
                  key={id}
                  type="button"
                  aria-pressed={on}
                  onClick={() => onHide(on ? [...hidden, id] : hidden.filter((one) => one !== id))}
                  className={cn(
                    "flex h-6 items-center gap-1.5 rounded border px-2 text-xs transition-colors duration-150",
                    on ? "border-line-strong text-ink" : "border-line text-ink-3 line-through",
                  )}
                >
                  <span className="h-0.5 w-3 rounded" style={{ background: on ? color : "var(--line)" }} />
                  {id}
                </button>
              );
            })}
          </fieldset>
        }
      />
      <TimePlot
        label={m.requests.latency}
        times={times}
        series={series}
        show={format.duration}
        height={190}
        onZoom={zoom}
      />
      <div className="mt-2 mb-1 flex flex-wrap items-center gap-x-3 text-2xs text-ink-3">
        <h3 className="font-medium">{m.requests.volume}</h3>
        {kinds.map(({ id, label, color }) => (
          <span key={id} className="flex items-center gap-1">
            <span className="size-2 rounded-sm" style={{ background: color }} aria-hidden />
            {label}
          </span>
        ))}
      </div>
      <div style={{ paddingLeft: AXIS }}>
        <Histogram
          label={m.requests.volume}
          series={kinds}
          bins={bins}
          step={bucket * 1000}
          onBrush={(from, to) => onZoom({ from: new Date(from), to: new Date(to) })}
        />
      </div>
    </Card>
  );
}
