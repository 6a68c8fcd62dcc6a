import { type KeyboardEvent, type PointerEvent, type ReactNode, useState } from "react";
import { useMessages } from "@/i18n";
import { cn } from "@/lib/cn";

interface PeekPanelProps {
  /** Names it for readers of the screen. */
  label: string;
  title: ReactNode;
  buttons: ReactNode;
  children: ReactNode;
  className?: string;
}

const KEY = "mcphub.peek"; // of the browser's storage
const LEAST = 380; // pixels
const MOST = 720;
const USUAL = 468;
const STEP = 24;

/** Something of a list, beside it; the list stays in use. As wide as somebody drew it; over the list on narrow screens. */
export function PeekPanel({ label, title, buttons, children, className }: PeekPanelProps) {
  const m = useMessages();
  const [width, setWidth] = useState(stored);
  const change = (wanted: number) => {
    const fits = Math.min(Math.max(Math.round(wanted), LEAST), MOST);
    setWidth(fits);
    keep(fits);
  };
  const onPointerDown = (event: PointerEvent) => {
    const from = event.clientX + width;
    event.currentTarget.setPointerCapture(event.pointerId);
    const handle = event.currentTarget as HTMLElement;
    handle.onpointermove = (moved) => change(from - moved.clientX);
    handle.onpointerup = () => {
      handle.onpointermove = null;
    };
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const by = { ArrowLeft: STEP, ArrowRight: -STEP }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    change(width + by);
  };
  return (
    <aside
      aria-label={label}
      className={cn(
        "relative flex flex-col border-line bg-surface max-lg:fixed max-lg:inset-x-0 max-lg:bottom-0 max-lg:z-30 max-lg:max-h-[75dvh] max-lg:rounded-t-lg max-lg:border-t max-lg:shadow-pop lg:w-(--peek) lg:shrink-0 lg:border-l",
        className,
      )}
      style={{ "--peek": `${width}px` } as React.CSSProperties}
    >
      <div
        role="separator"
        aria-orientation="vertical"
        aria-label={m.common.resize}
        aria-valuenow={width}
        aria-valuemin={LEAST}
        aria-valuemax={MOST}
        tabIndex={0}
        onPointerDown={onPointerDown}
        onKeyDown={onKeyDown}
        className="absolute inset-y-0 -left-1 z-10 w-2 cursor-col-resize touch-none hover:bg-accent-line max-lg:hidden"
      />
      <div className="flex items-center gap-0.5 border-line border-b py-1.5 pr-2 pl-4">
        <h2 className="flex min-w-0 flex-1 items-center gap-2 font-semibold">{title}</h2>
        {buttons}
      </div>
      <div
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
        tabIndex={0}
        role="group"
        aria-label={label}
        className="scroll-thin min-h-0 flex-1 overflow-y-auto p-4"
      >
        {children}
      </div>
    </aside>
  );
}

function stored(): number {
  try {
    const kept = Number(localStorage.getItem(KEY));
    return kept >= LEAST && kept <= MOST ? kept : USUAL;
  } catch {
    return USUAL; // storage is forbidden
  }
}

function keep(width: number): void {
  try {
    localStorage.setItem(KEY, String(width));
  } catch {
    // until the page is left
  }
}
