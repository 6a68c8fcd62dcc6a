import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { explain } from "@/api/problem";
import type { BrowserSession } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHead } from "@/components/ui/card";
import { Confirm } from "@/components/ui/confirm";
import { useMessages } from "@/i18n";
import { profileTexts } from "@/i18n/profile";
import { useProfileCommands } from "./commands";
import { deviceOf, inOrder } from "./model";
import { sessionsQuery } from "./queries";

/** Where the reader is signed in, and the ways out. */
export function SessionsCard() {
  const m = useMessages(profileTexts);
  const format = useFormat();
  const sessions = useQuery(sessionsQuery);
  const { end, endOthers } = useProfileCommands();
  const [asked, setAsked] = useState(false);
  const others = (sessions.data ?? []).filter(({ current }) => !current);
  const close = () => {
    endOthers.reset();
    setAsked(false);
  };
  const columns = useColumns(end);
  return (
    <Card aria-label={m.profile.sessions} className="overflow-hidden">
      <CardHead
        title={m.profile.sessions}
        end={
          <Button
            disabled={others.length === 0}
            title={others.length === 0 ? m.profile.noOthers : undefined}
            onClick={() => setAsked(true)}
          >
            {m.profile.endOthers}
          </Button>
        }
      />
      <p className="px-3.5 pb-2.5 text-ink-3 text-xs">
        {m.profile.sessionsText} {others.length === 0 && sessions.data ? m.profile.noOthers : null}
      </p>
      <Loaded query={sessions} skeleton={<SkeletonRows rows={2} />}>
        {(found) => (
          <DataTable
            label={m.profile.sessions}
            columns={columns}
            rows={inOrder(found)}
            rowId={({ id }) => id}
            className="border-line border-t"
          />
        )}
      </Loaded>
      <Confirm
        open={asked}
        onOpenChange={(open) => !open && close()}
        title={m.profile.endOthersTitle}
        text={m.profile.endOthersText(format.number(others.length))}
        action={m.profile.endOthers}
        busy={endOthers.isPending}
        error={endOthers.error ? explain(endOthers.error, m) : undefined}
        onConfirm={() => endOthers.mutate(others, { onSuccess: close })}
      />
    </Card>
  );
}

function useColumns(end: ReturnType<typeof useProfileCommands>["end"]) {
  const m = useMessages(profileTexts);
  return useMemo<Column<BrowserSession>[]>(
    () => [
      {
        id: "device",
        header: m.profile.columns.device,
        width: "minmax(170px,1.4fr)",
        sortBy: ({ agent }) => deviceOf(agent),
        cell: ({ agent, current }) => (
          <span className="flex items-center gap-2" title={agent}>
            <span className="truncate font-semibold" data-name>
              {deviceOf(agent) || m.profile.unknownDevice}
            </span>
            {current ? <Badge tone="accent">{m.profile.current}</Badge> : null}
          </span>
        ),
      },
      {
        id: "kind",
        header: m.profile.columns.kind,
        width: "80px",
        cell: ({ kind }) => (kind === "script" ? m.profile.kinds.script : m.profile.kinds.browser),
      },
      {
        id: "address",
        header: m.profile.columns.address,
        width: "minmax(104px,1fr)",
        cell: ({ ip }) => <span className="font-mono text-ink-2 text-xs">{ip}</span>,
      },
      {
        id: "since",
        header: m.profile.columns.since,
        width: "88px",
        sortBy: ({ signedInAt }) => signedInAt,
        cell: ({ signedInAt }) => <Time at={signedInAt} />,
      },
      {
        id: "until",
        header: m.profile.columns.until,
        width: "88px",
        sortBy: ({ expiresAt }) => expiresAt,
        cell: ({ expiresAt }) => <Time at={expiresAt} as="date" />,
      },
      {
        id: "end",
        header: m.common.actions,
        hideHeader: true,
        width: "56px",
        className: "overflow-visible text-right",
        cell: (session) =>
          session.current ? (
            <span className="sr-only">{m.profile.endHere}</span>
          ) : (
            <Button
              tone="ghost"
              busy={end.isPending && end.variables.id === session.id}
              aria-label={m.profile.endOf(deviceOf(session.agent) || m.profile.unknownDevice)}
              onClick={() => end.mutate(session)}
            >
              {m.profile.end}
            </Button>
          ),
      },
    ],
    [m, end],
  );
}
