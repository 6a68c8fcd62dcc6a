import { type KeyboardEvent, type PointerEvent, useRef, useState } from "react";
import { cn } from "@/lib/cn";

interface PlayheadProps {
  /** What the plot below reaches from and to, milliseconds since 1970. */
  from: number;
  to: number;
  /** As far as an arrow key moves. */
  step: number;
  /** The time that is shown; null for now, at the right end. */
  at: number | null;
  height?: number;
  label: string;
  /** What a time is called; null for now. */
  said: (at: number | null) => string;
  onMove: (at: number | null) => void;
}

const PAGE = 10; // steps

/** Moves a page to an earlier time: a handle on the plot, drawn by the pointer or moved by arrows; Escape is now. */
export function Playhead({ from, to, step, at, height = 44, label, said, onMove }: PlayheadProps) {
  const plot = useRef<HTMLDivElement>(null);
  const [drawn, setDrawn] = useState<number | null>(null);
  const here = Math.min(Math.max(drawn ?? at ?? to, from), to);
  // The last half step is now: nobody means to hide the event of this minute.
  const time = (wanted: number) => (wanted > to - step / 2 ? null : Math.max(wanted, from));
  const under = ({ clientX }: PointerEvent) => {
    const { left, width } = plot.current?.getBoundingClientRect() ?? { left: 0, width: 1 };
    return Math.min(Math.max(from + ((clientX - left) / width) * (to - from), from), to);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.metaKey || event.ctrlKey || event.altKey) return;
    const wanted = {
      ArrowLeft: here - step,
      ArrowDown: here - step,
      ArrowRight: here + step,
      ArrowUp: here + step,
      PageDown: here - PAGE * step,
      PageUp: here + PAGE * step,
      Home: from,
      End: to,
      Escape: to,
    }[event.key];
    if (wanted === undefined || (event.key === "Escape" && at === null)) return;
    event.preventDefault();
    event.stopPropagation();
    onMove(time(wanted));
  };
  const shown = drawn === null ? at : time(drawn);
  const past = shown !== null;
  return (
    <div ref={plot} className="pointer-events-none absolute inset-x-0 top-0 z-10" style={{ height }}>
      <div
        className={cn("absolute inset-y-0 w-0.5 -translate-x-1/2", past ? "bg-warn" : "bg-transparent")}
        style={{ left: `${((here - from) / Math.max(to - from, 1)) * 100}%` }}
      >
        <div
          role="slider"
          tabIndex={0}
          aria-label={label}
          aria-orientation="horizontal"
          aria-valuemin={from}
          aria-valuemax={to}
          aria-valuenow={Math.round(here)}
          aria-valuetext={said(shown)}
          title={label}
          className={cn(
            // As large as a finger needs it beside the plot below, which takes presses as well; what is seen is smaller.
            "pointer-events-auto absolute -top-2 left-1/2 size-6 -translate-x-1/2 cursor-ew-resize touch-none rounded-full before:absolute before:inset-1 before:rounded-full before:border-2 before:bg-surface",
            past ? "before:border-warn" : "before:border-line-strong hover:before:border-warn",
          )}
          onKeyDown={onKeyDown}
          onPointerDown={(event) => {
            if (event.button !== 0) return;
            event.currentTarget.setPointerCapture(event.pointerId);
            setDrawn(under(event));
          }}
          onPointerMove={(event) => {
            if (drawn !== null) setDrawn(under(event));
          }}
          onPointerCancel={() => setDrawn(null)}
          onPointerUp={(event) => {
            if (drawn === null) return;
            setDrawn(null);
            onMove(time(under(event)));
          }}
        />
      </div>
    </div>
  );
}
