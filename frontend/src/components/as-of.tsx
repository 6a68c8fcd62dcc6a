import { useQuery } from "@tanstack/react-query";
import { History } from "lucide-react";
import type { ReactNode } from "react";
import { momentQuery } from "@/api/past";
import { useFormat } from "@/app/look";
import { Page } from "@/components/page";
import { ProblemPanel } from "@/components/states";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { pastTexts } from "@/i18n/past";
import { rich } from "@/i18n/rich";
import { cn } from "@/lib/cn";

interface AsOfProps {
  /** A position or a time, as the address has it. */
  at: string;
  onNow: () => void;
  /** Where else this time can be looked at. */
  children?: ReactNode;
  className?: string;
}

/** The amber line over everything that shows an earlier time: which, how much came later, and the way back. */
export function AsOf({ at, onNow, children, className }: AsOfProps) {
  const m = useMessages(pastTexts);
  const format = useFormat();
  const moment = useQuery(momentQuery(at));
  const back = (
    <Button onClick={onNow} className="max-sm:w-full">
      {m.past.backToNow}
    </Button>
  );
  if (moment.error)
    return (
      <section
        aria-label={m.past.label}
        className={cn("flex flex-col gap-2 border-warn border-t-2 p-3", className)}
      >
        <ProblemPanel error={moment.error} />
        <div>{back}</div>
      </section>
    );
  const found = moment.data;
  return (
    <section
      aria-label={m.past.label}
      className={cn(
        "flex min-h-10 flex-wrap items-center gap-x-3 gap-y-1 border-warn border-t-2 bg-warn-soft px-4.5 py-1.5 text-base text-ink",
        className,
      )}
    >
      <History className="size-4 shrink-0 text-warn-text" aria-hidden />
      <p role="status">
        {found === undefined ? (
          m.past.looking
        ) : found.recordedAt === null ? (
          m.past.beforeFirst
        ) : (
          <>
            {rich(m.past.stateAsOf(format.number(found.position)))} · <Time at={found.recordedAt} as="full" />{" "}
            (
            <Time at={found.recordedAt} />)
          </>
        )}
      </p>
      {children}
      <span className="ml-auto">{found ? m.past.hidden(format.number(found.later)) : null}</span>
      {back}
    </section>
  );
}

interface ThenPageProps extends AsOfProps {
  title: string;
  tools?: ReactNode;
}

/** The frame of a page that shows an earlier time, read only. */
export function ThenPage({ title, tools, children, ...asOf }: ThenPageProps) {
  const m = useMessages(pastTexts);
  return (
    <Page title={title} subtitle={m.past.readOnly} tools={tools}>
      <AsOf {...asOf} className="-mx-4.5 mb-3" />
      {children}
    </Page>
  );
}
