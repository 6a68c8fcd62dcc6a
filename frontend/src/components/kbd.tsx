import { cn } from "@/lib/cn";

const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

/** A key as it is called here: `mod` is ⌘ or Ctrl. */
export function Kbd({ keys, className }: { keys: string; className?: string }) {
  const shown = keys
    .split("+")
    .map((key) => (key === "mod" ? (MAC ? "⌘" : "Ctrl") : key.length === 1 ? key.toUpperCase() : key))
    .join(MAC ? "" : "+");
  return (
    <kbd
      className={cn(
        "inline-block rounded border border-line bg-raised px-1.5 text-2xs text-ink-3 leading-4.5",
        className,
      )}
    >
      {shown}
    </kbd>
  );
}
