import type { ReactNode } from "react";

/** A line of a card: what it is at the left, the control at the right. */
export function Row({ label, hint, children }: { label: ReactNode; hint?: ReactNode; children: ReactNode }) {
  return (
    <div className="grid items-center gap-x-4 gap-y-1 border-line border-t px-3.5 py-2.5 sm:grid-cols-[280px_minmax(0,1fr)]">
      <div className="min-w-0">
        <p className="font-medium">{label}</p>
        {hint ? <p className="text-ink-3 text-xs">{hint}</p> : null}
      </div>
      <div className="min-w-0">{children}</div>
    </div>
  );
}
