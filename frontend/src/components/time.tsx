import { PreviewCard } from "@base-ui/react/preview-card";
import { type KeyboardEvent, use, useRef, useState } from "react";
import { useFormat } from "@/app/look";
import { InRow } from "@/components/in-row";
import { CopyButton } from "@/components/ui/copy-button";
import { popupLook } from "@/components/ui/popup";
import { useMessages } from "@/i18n";
import { cn } from "@/lib/cn";
import { useNow } from "@/lib/use-now";

interface TimeProps {
  at: string | Date;
  /** `clock` 14:09:06, `full` with the date before it, `relative` 3 min ago, `date` 2026-11-23 */
  as?: "clock" | "full" | "relative" | "date";
  className?: string;
}

const DELAY = 400; // milliseconds

type Form = NonNullable<TimeProps["as"]>;

/**
 * A time. Hover shows it in every form, each to be copied, and so does the focus, which it takes outside of rows; Enter
 * leads from there into the card, Escape back.
 */
export function Time({ at, as = "relative", className }: TimeProps) {
  const inRow = use(InRow);
  const date = typeof at === "string" ? new Date(at) : at;
  const look = cn("whitespace-nowrap rounded", as !== "relative" && "font-mono text-[0.92em]", className);
  const Part = inRow ? InRowTime : FocusTime;
  return <Part date={date} as={as} className={look} />;
}

interface PartProps {
  date: Date;
  as: Form;
  className: string;
}

function InRowTime({ date, as, className }: PartProps) {
  return (
    <PreviewCard.Root>
      <PreviewCard.Trigger
        delay={DELAY}
        render={<time dateTime={date.toISOString()} />}
        className={className}
      >
        <Written date={date} as={as} />
      </PreviewCard.Trigger>
      <Card date={date} />
    </PreviewCard.Root>
  );
}

function FocusTime({ date, as, className }: PartProps) {
  const [open, setOpen] = useState(false);
  const time = useRef<HTMLTimeElement>(null);
  const card = useRef<HTMLDivElement>(null);
  const entering = useRef(false);
  const inside = () => card.current?.contains(document.activeElement) ?? false;
  const enter = (event: KeyboardEvent) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    entering.current = true;
    setOpen(true);
    card.current?.querySelector("button")?.focus();
  };
  const leave = (event: KeyboardEvent) => {
    if (event.key !== "Escape") return;
    event.stopPropagation(); // it leaves the card, and not what the time stands in
    setOpen(false);
    time.current?.focus();
  };
  return (
    // The focus that went from the time into the card has not left.
    <PreviewCard.Root open={open} onOpenChange={(wanted) => setOpen(wanted || inside())}>
      <PreviewCard.Trigger
        ref={time as never}
        delay={DELAY}
        tabIndex={0}
        aria-keyshortcuts="Enter"
        render={<time dateTime={date.toISOString()} />}
        onKeyDown={enter}
        className={className}
      >
        <Written date={date} as={as} />
      </PreviewCard.Trigger>
      <Card
        date={date}
        card={(shown) => {
          card.current = shown;
          if (shown && entering.current) shown.querySelector("button")?.focus();
          entering.current = false;
        }}
        onKeyDown={leave}
        onLeave={() => setOpen(false)}
      />
    </PreviewCard.Root>
  );
}

interface CardProps {
  date: Date;
  card?: (shown: HTMLDivElement | null) => void;
  onKeyDown?: (event: KeyboardEvent) => void;
  /** The focus went somewhere else. */
  onLeave?: () => void;
}

function Card({ date, card, onKeyDown, onLeave }: CardProps) {
  return (
    <PreviewCard.Portal>
      <PreviewCard.Positioner sideOffset={6} className="z-50">
        <PreviewCard.Popup
          ref={card}
          onKeyDown={onKeyDown}
          onBlur={({ currentTarget, relatedTarget }) => currentTarget.contains(relatedTarget) || onLeave?.()}
          className={cn(popupLook, "p-2.5")}
        >
          <Forms date={date} />
        </PreviewCard.Popup>
      </PreviewCard.Positioner>
    </PreviewCard.Portal>
  );
}

function Written({ date, as }: { date: Date; as: Form }) {
  const format = useFormat();
  if (as === "relative") return <Ago date={date} />;
  if (as === "clock") return format.time(date);
  if (as === "date") return format.date(date);
  return `${format.date(date)} ${format.time(date)}`;
}

function Ago({ date }: { date: Date }) {
  return useFormat().relative(date, useNow());
}

function Forms({ date }: { date: Date }) {
  const m = useMessages();
  const format = useFormat();
  const now = useNow();
  const forms = [
    [m.common.local, `${format.date(date)} ${format.time(date)} ${format.timeZone}`],
    [m.common.utc, date.toISOString()],
    [m.common.relative, format.relative(date, now)],
    [m.common.epoch, String(date.getTime())],
  ] as const;
  return (
    <dl className="grid grid-cols-[auto_1fr_auto] items-center gap-x-3 gap-y-0.5 text-xs">
      {forms.map(([name, text]) => (
        <div key={name} className="contents">
          <dt className="text-ink-3">{name}</dt>
          <dd className="font-mono">{text}</dd>
          <dd>
            <CopyButton
              value={() => text}
              label={`${m.common.copy}: ${name}`}
              className="size-5 [&_svg]:size-3"
            />
          </dd>
        </div>
      ))}
    </dl>
  );
}
