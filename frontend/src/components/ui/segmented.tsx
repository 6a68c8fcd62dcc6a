import { cn } from "@/lib/cn";
import type { Option } from "./select";

interface SegmentedProps<V extends string> {
  value: V;
  onChange: (value: V) => void;
  options: Option<V>[];
  label: string;
  className?: string;
}

/** One of very few, all of them shown: views of a list, a theme. */
export function Segmented<V extends string>({
  value,
  onChange,
  options,
  label,
  className,
}: SegmentedProps<V>) {
  return (
    <fieldset
      className={cn(
        "inline-flex h-8 items-center gap-0.5 rounded-md border border-line-strong bg-surface p-0.5",
        className,
      )}
    >
      <legend className="sr-only">{label}</legend>
      {options.map((option) => (
        <button
          key={option.value}
          type="button"
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
          className={cn(
            "h-full whitespace-nowrap rounded px-2.5 text-sm transition-colors duration-150",
            option.value === value
              ? "bg-accent-soft font-semibold text-accent"
              : "text-ink-2 hover:bg-raised hover:text-ink",
          )}
        >
          {option.label}
        </button>
      ))}
    </fieldset>
  );
}
