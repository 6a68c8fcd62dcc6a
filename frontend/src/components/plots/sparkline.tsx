import { cn } from "@/lib/cn";

interface SparklineProps {
  values: (number | null)[];
  /** What it shows, with its figures: the picture itself is not read aloud. */
  label: string;
  width?: number;
  height?: number;
  className?: string;
}

/** The course of one figure, as small as a word. A gap stays a gap. */
export function Sparkline({ values, label, width = 72, height = 18, className }: SparklineProps) {
  return (
    <svg role="img" aria-label={label} width={width} height={height} className={cn("text-accent", className)}>
      <path
        d={sparkPath(values, width, height)}
        fill="none"
        stroke="currentColor"
        strokeWidth="1.4"
        strokeLinejoin="round"
      />
    </svg>
  );
}

/** The path through the values, the least at the bottom; pieces where values are missing. */
export function sparkPath(values: (number | null)[], width: number, height: number): string {
  const known = values.filter((value) => value !== null);
  const least = Math.min(...known);
  const range = Math.max(...known) - least || 1;
  const step = width / Math.max(values.length - 1, 1);
  const path: string[] = [];
  let begun = false;
  values.forEach((value, at) => {
    if (value === null) {
      begun = false;
      return;
    }
    const y = height - 1 - ((value - least) / range) * (height - 2);
    path.push(`${begun ? "L" : "M"}${round(at * step)} ${round(y)}`);
    begun = true;
  });
  return path.join("");
}

const round = (value: number) => Math.round(value * 10) / 10;
