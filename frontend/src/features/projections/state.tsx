import { Link } from "@tanstack/react-router";
import { CircleAlert, CircleCheck, CircleDashed, LoaderCircle, TriangleAlert } from "lucide-react";
import type { ProjectionView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Badge, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { projectionsTexts } from "@/i18n/projections";
import { useRetry } from "./commands";

const LOOKS = {
  live: { tone: "ok", icon: CircleCheck },
  catching_up: { tone: "accent", icon: LoaderCircle },
  rebuilding: { tone: "accent", icon: LoaderCircle },
  outdated: { tone: "warn", icon: TriangleAlert },
  failed: { tone: "bad", icon: CircleAlert },
} as const satisfies Record<ProjectionView["state"], { tone: Tone; icon: typeof CircleAlert }>;

export function StateMark({ state }: { state: ProjectionView["state"] }) {
  const m = useMessages(projectionsTexts);
  const { tone, icon: Icon } = LOOKS[state];
  return (
    <Badge tone={tone} icon={<Icon aria-hidden />}>
      {m.projections.states[state]}
    </Badge>
  );
}

/** What the last check of this hub found of a table. */
export function CheckedMark({ checked }: { checked: ProjectionView["checked"] }) {
  const m = useMessages(projectionsTexts);
  if (checked === null) {
    return (
      <span className="inline-flex items-center gap-1 text-ink-3 text-xs">
        <CircleDashed className="size-3" aria-hidden />
        {m.projections.notChecked}
      </span>
    );
  }
  return (
    <Badge tone={checked.equal ? "ok" : "bad"}>
      {checked.equal ? m.projections.isEqual : m.projections.isDifferent}
    </Badge>
  );
}

/** Why a table stands still, at which event, and what can be done. */
export function Parked({ table }: { table: ProjectionView }) {
  const m = useMessages(projectionsTexts);
  const format = useFormat();
  const retry = useRetry();
  if (table.state !== "failed") return null;
  const at = table.failedAt;
  return (
    <div className="flex flex-wrap items-center gap-2 text-sm">
      <span className="min-w-0 flex-1">
        {m.projections.stopped} <code>{table.error}</code>
        {at ? (
          <>
            {" · "}
            <Link
              to="/admin/audit/$position"
              params={{ position: String(at.position) }}
              className="text-accent underline"
            >
              {at.type} #{format.number(at.position)}
            </Link>
          </>
        ) : null}
      </span>
      <Button busy={retry.isPending} onClick={() => retry.mutate(table.name)}>
        {m.projections.retry}
      </Button>
    </div>
  );
}
