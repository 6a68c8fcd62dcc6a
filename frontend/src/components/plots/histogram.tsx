import { type KeyboardEvent, type PointerEvent, useState } from "react";
import { useFormat } from "@/app/look";
import { cn } from "@/lib/cn";
import { clock } from "./clock";

export interface Series {
  id: string;
  label: string;
  /** A CSS colour, best a token: `var(--cat-user)`. */
  color: string;
}

export interface Bin {
  /** Where it begins, milliseconds since 1970. */
  at: number;
  /** Series id → how many. */
  counts: Record<string, number>;
}

interface HistogramProps {
  label: string;
  series: Series[];
  bins: Bin[];
  /** Length of a bin in milliseconds. */
  step: number;
  height?: number;
  /** Bins from here on are grey: later than the state that is shown. */
  until?: number;
  onPick?: (bin: Bin) => void;
  /** A stretch was drawn over, or one bin pressed: from where to where, milliseconds since 1970. */
  onBrush?: (from: number, to: number) => void;
  className?: string;
}

const LABELS = 9;
const WIDTH = 1200; // units of the picture; it stretches

/** How much happened when, stacked by kind. Hover, or an arrow key, breaks a bin down; the same stands in a table for
 * readers of the screen. */
export function Histogram({
  label,
  series,
  bins,
  step,
  height = 44,
  until,
  onPick,
  onBrush,
  className,
}: HistogramProps) {
  const format = useFormat();
  const [hovered, setHovered] = useState<number | null>(null);
  const [drawn, setDrawn] = useState<{ from: number; to: number } | null>(null); // bins
  const picked = drawn && { first: Math.min(drawn.from, drawn.to), last: Math.max(drawn.from, drawn.to) };
  const binAt = (event: PointerEvent) => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    const at = Math.floor(((event.clientX - left) / width) * bins.length);
    return Math.min(Math.max(at, 0), bins.length - 1);
  };
  const brush = onBrush && {
    onPointerDown: (event: PointerEvent<SVGSVGElement>) => {
      if (event.button !== 0 || bins.length === 0) return;
      event.currentTarget.setPointerCapture(event.pointerId);
      setDrawn({ from: binAt(event), to: binAt(event) });
    },
    onPointerMove: (event: PointerEvent<SVGSVGElement>) => {
      setHovered(binAt(event));
      if (drawn) setDrawn({ ...drawn, to: binAt(event) });
    },
    onPointerCancel: () => setDrawn(null),
    onPointerUp: () => {
      const first = bins[picked?.first ?? -1];
      const last = bins[picked?.last ?? -1];
      setDrawn(null);
      if (first && last) onBrush(first.at, last.at + step);
    },
  };
  // By keyboard: arrows go from bin to bin, with Shift they draw over a stretch, Enter takes it.
  const operable = (onPick ?? onBrush) !== undefined && bins.length > 0;
  const here = hovered ?? bins.length - 1;
  const onKeyDown = (event: KeyboardEvent) => {
    const to = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: bins.length - 1 }[event.key];
    const first = bins[picked?.first ?? here];
    const last = bins[picked?.last ?? here];
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    if (to !== undefined) {
      const at = Math.min(Math.max(to, 0), bins.length - 1);
      setHovered(at);
      setDrawn(event.shiftKey && onBrush ? { from: drawn?.from ?? here, to: at } : null);
    } else if (event.key === "Enter" && first && last) {
      setDrawn(null);
      if (onBrush) onBrush(first.at, last.at + step);
      else onPick?.(first);
    } else if (event.key === "Escape" && drawn) setDrawn(null);
    else return;
    event.preventDefault();
  };
  const total = (bin: Bin) => Object.values(bin.counts).reduce((sum, count) => sum + count, 0);
  const most = Math.max(1, ...bins.map(total));
  const wide = WIDTH / Math.max(bins.length, 1);
  const shown = hovered === null ? undefined : bins[hovered];
  const labels = axisLabels(bins, LABELS);
  const apart = (labels[1] ?? Infinity) - (labels[0] ?? 0);
  const long = bins.length * step > 2 * 86_400_000;
  const said = (bin: Bin | undefined) =>
    bin && `${format.date(new Date(bin.at))} ${format.time(new Date(bin.at))}: ${format.number(total(bin))}`;
  const keyboard = operable && {
    role: "slider",
    tabIndex: 0,
    "aria-label": label,
    "aria-valuemin": 0,
    "aria-valuemax": bins.length - 1,
    "aria-valuenow": here,
    "aria-valuetext": said(bins[here]),
    onKeyDown,
    onFocus: () => setHovered(here),
    onBlur: () => {
      setHovered(null);
      setDrawn(null);
    },
  };

  return (
    <figure className={cn("relative", className)} aria-label={label}>
      <div {...keyboard}>
        <svg
          viewBox={`0 0 ${WIDTH} ${height}`}
          preserveAspectRatio="none"
          className={cn("block w-full", onBrush && "cursor-crosshair touch-none")}
          style={{ height }}
          aria-hidden
          onPointerLeave={() => setHovered(null)}
          {...brush}
        >
          {picked ? (
            <rect
              x={picked.first * wide}
              y={0}
              width={(picked.last - picked.first + 1) * wide}
              height={height}
              fill="var(--accent-soft)"
            />
          ) : null}
          {bins.map((bin, at) => {
            let top = height;
            return (
              // biome-ignore lint/a11y/noStaticElementInteractions: the pointer's way; the table below says the same
              <g key={bin.at} onPointerEnter={() => setHovered(at)} onClick={() => onPick?.(bin)}>
                <rect
                  x={at * wide}
                  y={0}
                  width={wide}
                  height={height}
                  fill={hovered === at ? "var(--raised)" : "transparent"}
                />
                {series.map(({ id, color }) => {
                  const part = ((bin.counts[id] ?? 0) / most) * (height - 2);
                  top -= part;
                  return part === 0 ? null : (
                    <rect
                      key={id}
                      x={at * wide + wide * 0.1}
                      y={top}
                      width={wide * 0.8}
                      height={part}
                      fill={until !== undefined && bin.at >= until ? "var(--line-strong)" : color}
                    />
                  );
                })}
              </g>
            );
          })}
          <rect x={0} y={height - 0.5} width={WIDTH} height={0.5} fill="var(--line-strong)" />
        </svg>
      </div>
      <div className="mt-1 flex justify-between font-mono text-2xs text-ink-3" aria-hidden>
        {labels.map((at) => (
          <span key={at} className="whitespace-nowrap max-sm:even:hidden">
            {long ? `${format.day(new Date(at))} ` : ""}
            {clock(format.time(new Date(at)), apart)}
          </span>
        ))}
      </div>
      {shown ? (
        <div
          className="pointer-events-none absolute top-full z-20 mt-1 rounded-md border border-line bg-surface px-2 py-1 text-xs shadow-pop"
          style={{ left: `${Math.min(((hovered ?? 0) / bins.length) * 100, 80)}%` }}
        >
          <div className="font-mono text-ink-3">
            {format.date(new Date(shown.at))} {format.time(new Date(shown.at))}
          </div>
          {series
            .filter(({ id }) => shown.counts[id])
            .map(({ id, label: name, color }) => (
              <div key={id} className="flex items-center gap-1.5">
                <span className="size-2 rounded-sm" style={{ background: color }} />
                {name}
                <span className="ml-auto pl-4 tabular-nums">{format.number(shown.counts[id] ?? 0)}</span>
              </div>
            ))}
        </div>
      ) : null}
      <table className="sr-only">
        <caption>{label}</caption>
        <tbody>
          {bins.filter(total).map((bin) => (
            <tr key={bin.at}>
              <th scope="row">{`${format.date(new Date(bin.at))} ${format.time(new Date(bin.at))}`}</th>
              <td>{format.number(total(bin))}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </figure>
  );
}

/** About `count` times, evenly from the first bin to the last. */
export function axisLabels(bins: { at: number }[], count: number): number[] {
  const first = bins[0];
  const last = bins.at(-1);
  if (!first || !last) return [];
  const parts = Math.min(count, bins.length) - 1;
  if (parts < 1) return [first.at];
  return Array.from({ length: parts + 1 }, (_, part) => first.at + ((last.at - first.at) * part) / parts);
}
