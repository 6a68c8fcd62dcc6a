import { useEffect, useId, useRef, useState } from "react";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { useLook } from "@/app/look";
import { cn } from "@/lib/cn";
import { clock } from "./clock";
import type { Series } from "./histogram";

interface TimePlotProps {
  label: string;
  /** Seconds since 1970, rising. */
  times: number[];
  series: (Series & { values: (number | null)[]; dashed?: boolean })[];
  /** How a value is written: `212 ms`. */
  show: (value: number) => string;
  height?: number;
  /** A stretch of time was drawn over with the pointer. */
  onZoom?: (from: number, to: number) => void;
  className?: string;
}

const FONT = '11px "JetBrains Mono Variable", "Pretendard Variable", monospace';
/** Pixels left of the plot; what stands below in the same time begins there. */
export const AXIS = 62;
const BELOW = 28; // pixels of the times
const LEAST_DRAG = 8; // pixels, less is a click

/** Lines over time, with a legend that says the values under the pointer. */
export function TimePlot({ label, times, series, show, height = 220, onZoom, className }: TimePlotProps) {
  const { format, dark } = useLook();
  const box = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<number | null>(null);
  const [ready, setReady] = useState(false);
  const legend = useId();
  const zoom = useRef(onZoom);
  useEffect(() => {
    zoom.current = onZoom;
  });

  // A canvas does not wait for fonts: what is drawn before they are there stays in another one.
  useEffect(() => {
    document.fonts.ready.then(() => setReady(true));
  }, []);

  // biome-ignore lint/correctness/useExhaustiveDependencies: another theme has other colours, read from the page
  useEffect(() => {
    const element = box.current;
    if (!element || !ready) return;
    const style = getComputedStyle(document.documentElement);
    const token = (name: string) => style.getPropertyValue(name).trim();
    const color = (wanted: string) => (wanted.startsWith("var(") ? token(wanted.slice(4, -1)) : wanted);
    const ink = token("--ink-3");
    const grid = { stroke: token("--line"), width: 1 };
    const plot = new UPlot(
      {
        width: element.clientWidth,
        height,
        legend: { show: false },
        cursor: {
          y: false,
          points: { size: 6 },
          drag: { x: onZoom !== undefined, y: false, setScale: false },
        },
        padding: [10, 0, 0, 0],
        // From the beginning of the first bucket to the end of the last, as bars show it.
        scales: { x: { time: true, range: () => [times[0] ?? 0, (times.at(-1) ?? 0) + stepOf(times)] } },
        axes: [
          {
            stroke: ink,
            font: FONT,
            grid,
            ticks: grid,
            space: 75,
            size: BELOW,
            values: (_plot, splits, _axis, _space, apart) =>
              splits.map((second) => clock(format.time(new Date(second * 1000)), apart * 1000)),
          },
          {
            stroke: ink,
            font: FONT,
            grid,
            ticks: { show: false },
            size: AXIS,
            values: (_plot, splits) => splits.map(show),
          },
        ],
        series: [
          {},
          ...series.map((line) => ({
            label: line.label,
            stroke: color(line.color),
            width: 1.5,
            dash: line.dashed ? [4, 3] : undefined,
            points: {
              show: false,
              size: 5,
              filter: (drawn: UPlot, line: number) => alone(drawn.data[line] ?? []),
            },
          })),
        ],
        hooks: {
          setCursor: [(drawn) => setAt(drawn.cursor.idx ?? null)],
          setSelect: [
            (drawn) => {
              const { left, width } = drawn.select;
              if (width >= LEAST_DRAG)
                zoom.current?.(drawn.posToVal(left, "x"), drawn.posToVal(left + width, "x"));
              drawn.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
            },
          ],
        },
      },
      [times, ...series.map((line) => line.values)],
      element,
    );
    const resized = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
    resized.observe(element);
    return () => {
      resized.disconnect();
      plot.destroy();
    };
  }, [times, series, show, height, format, dark, ready, onZoom]);

  return (
    <figure aria-label={label} aria-describedby={legend} className={className}>
      <figcaption id={legend} className="flex min-h-6 flex-wrap items-center gap-x-4 gap-y-1 text-xs">
        {series.map((line) => {
          const value = at === null ? line.values.findLast((one) => one !== null) : line.values[at];
          return (
            <span key={line.id} className="flex items-center gap-1.5 text-ink-2">
              <span className={cn("h-0.5 w-3.5 rounded")} style={{ background: line.color }} />
              {line.label}
              <span className="min-w-12 font-mono text-ink">{value == null ? "–" : show(value)}</span>
            </span>
          );
        })}
        {at !== null && times[at] !== undefined ? (
          <span className="ml-auto font-mono text-ink-3">
            {format.day(new Date(times[at] * 1000))} {format.time(new Date(times[at] * 1000))}
          </span>
        ) : null}
      </figcaption>
      <div ref={box} style={{ height }} />
    </figure>
  );
}

/** Seconds of a bucket. */
const stepOf = ([first = 0, second = first + 1]: number[]) => second - first;

/** Where a value stands between two gaps: no line goes there, so a point has to. */
function alone(values: ArrayLike<number | null | undefined>): number[] {
  const there = (at: number) => values[at] !== null && values[at] !== undefined;
  return [...Array(values.length).keys()].filter((at) => there(at) && !there(at - 1) && !there(at + 1));
}
