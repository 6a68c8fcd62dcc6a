import { Radio } from "lucide-react";
import type { ReactNode } from "react";
import type { StreamState } from "@/api/stream";
import { Page } from "@/components/page";
import { SkeletonRows, StaleChip } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { projectionsTexts } from "@/i18n/projections";
import { useCheck, useRebuild } from "./commands";
import type { Said } from "./model";
import { useProjections } from "./use-projections";
import { WorkCard } from "./work-card";

interface FrameProps {
  title: ReactNode;
  subtitle: ReactNode;
  children: (said: Said) => ReactNode;
}

/** What both pages of read tables share: the live state, what is done to all tables, and how far it is. */
export function ProjectionsFrame({ title, subtitle, children }: FrameProps) {
  const { said, state } = useProjections();
  return (
    <Page
      title={title}
      subtitle={subtitle}
      width="form"
      className="gap-3"
      end={
        <>
          <LiveMark state={state} />
          {said ? <Actions said={said} /> : null}
        </>
      }
    >
      {said === null ? (
        <SkeletonRows rows={8} />
      ) : (
        <>
          {said.work ? <WorkCard work={said.work} tables={said.data} /> : null}
          {children(said)}
        </>
      )}
    </Page>
  );
}

function LiveMark({ state }: { state: StreamState | "paused" }) {
  const m = useMessages();
  if (state === "reconnecting" || state === "over") return <StaleChip />;
  return (
    <Badge tone={state === "live" ? "ok" : "neutral"} icon={<Radio aria-hidden />}>
      {state === "live" ? m.common.live : m.common.loading}
    </Badge>
  );
}

/** Both are about all tables at once, whichever is named. */
function Actions({ said: { data, work } }: { said: Said }) {
  const m = useMessages(projectionsTexts);
  const check = useCheck();
  const rebuild = useRebuild();
  const name = data[0]?.name ?? "";
  const busy = work?.running ?? false;
  return (
    <>
      <Button
        size="md"
        disabled={busy}
        busy={check.isPending}
        title={m.projections.checkHint}
        onClick={() => check.mutate(name)}
      >
        {m.projections.check}
      </Button>
      <Button
        size="md"
        disabled={busy}
        busy={rebuild.isPending}
        title={m.projections.rebuildHint}
        onClick={() => rebuild.mutate(name)}
      >
        {m.projections.rebuild}
      </Button>
    </>
  );
}
