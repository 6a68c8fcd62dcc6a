import { PreviewCard } from "@base-ui/react/preview-card";
import { use } from "react";
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

/** A time. Hover shows it in every form, each to be copied, and so does the focus, which it takes outside of rows. */
export function Time({ at, as = "relative", className }: TimeProps) {
  const format = useFormat();
  const inRow = use(InRow);
  const date = typeof at === "string" ? new Date(at) : at;
  return (
    <PreviewCard.Root>
      <PreviewCard.Trigger
        delay={400}
        render={<time dateTime={date.toISOString()} tabIndex={inRow ? undefined : 0} />}
        className={cn("whitespace-nowrap rounded", as !== "relative" && "font-mono text-[0.92em]", className)}
      >
        {as === "relative" ? (
          <Ago date={date} />
        ) : as === "clock" ? (
          format.time(date)
        ) : as === "date" ? (
          format.date(date)
        ) : (
          `${format.date(date)} ${format.time(date)}`
        )}
      </PreviewCard.Trigger>
      <PreviewCard.Portal>
        <PreviewCard.Positioner sideOffset={6} className="z-50">
          <PreviewCard.Popup className={cn(popupLook, "p-2.5")}>
            <Forms date={date} />
          </PreviewCard.Popup>
        </PreviewCard.Positioner>
      </PreviewCard.Portal>
    </PreviewCard.Root>
  );
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
