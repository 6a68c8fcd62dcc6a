import type { ProjectionView, WorkView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Card } from "@/components/ui/card";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { projectionsTexts } from "@/i18n/projections";
import { cn } from "@/lib/cn";
import { allEqual, different, share } from "./model";

/** How far a rebuild or a check is, and how the last one ended. */
export function WorkCard({ work, tables }: { work: WorkView; tables: ProjectionView[] }) {
  return work.running ? <Running work={work} /> : <Ended work={work} tables={tables} />;
}

function Running({ work }: { work: WorkView }) {
  const m = useMessages(projectionsTexts);
  const format = useFormat();
  const done = share(work);
  const name = m.projections.running[work.kind];
  return (
    <Card className="px-3.5 py-3">
      <div className="flex flex-wrap items-baseline gap-x-3 gap-y-1">
        <h2 className="font-semibold text-lg">{name}</h2>
        <span className="font-mono text-ink-2 text-xs">
          #{format.number(work.position)} / {format.number(work.head)}
        </span>
        <span className="ml-auto text-ink-2 text-sm tabular-nums">
          {work.rate > 0 ? m.projections.perSecond(format.number(Math.round(work.rate))) : null}
          {work.secondsLeft == null
            ? null
            : ` · ${m.projections.left(format.duration(work.secondsLeft * 1000))}`}
        </span>
      </div>
      <div
        role="progressbar"
        aria-label={name}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={done === null ? undefined : Math.floor(done * 100)}
        className="mt-2 h-1.5 overflow-hidden rounded-full bg-raised"
      >
        <div
          className={cn("h-full bg-accent transition-[width] duration-300", done === null && "animate-pulse")}
          style={{ width: `${(done ?? 1) * 100}%` }}
        />
      </div>
    </Card>
  );
}

function Ended({ work, tables }: { work: WorkView; tables: ProjectionView[] }) {
  const m = useMessages(projectionsTexts);
  const format = useFormat();
  const position = format.number(work.position);
  if (work.error) {
    return (
      <Notice tone="bad" announce>
        {m.projections.workFailed[work.kind]} <code>{work.error}</code>
      </Notice>
    );
  }
  if (work.kind === "rebuild") {
    return (
      <Notice tone="ok" announce>
        {m.projections.rebuilt(position)}
      </Notice>
    );
  }
  const wrong = different(tables);
  if (wrong.length > 0) {
    return (
      <Notice tone="bad" announce>
        {m.projections.differ(wrong.join(", "))}
      </Notice>
    );
  }
  return allEqual(tables) ? (
    <Notice tone="ok" announce>
      {m.projections.equal(position)}
    </Notice>
  ) : null;
}
