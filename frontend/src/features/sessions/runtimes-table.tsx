import { ChevronRight, Power } from "lucide-react";
import { useMemo, useState } from "react";
import type { HeardNode, UpstreamRuntime } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { EmptyState } from "@/components/states";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button, IconButton } from "@/components/ui/button";
import { CodeBlock } from "@/components/ui/code-block";
import { Sheet } from "@/components/ui/dialog";
import { useMessages } from "@/i18n";
import { sessionsTexts } from "@/i18n/sessions";
import { useEndRuntime } from "./commands";
import { EndQuestion } from "./end-question";
import { namesOf } from "./model";

interface RuntimesTableProps {
  runtimes: UpstreamRuntime[];
  /** Where there are several, each runtime says which of them holds it. */
  nodes: HeardNode[];
  /** Whose output is shown; the address says it. */
  chosen: string;
  onChoose: (id: string) => void;
}

/** Processes and connections that the hub holds open, and for whom. */
export function RuntimesTable({ runtimes, nodes, chosen, onChoose }: RuntimesTableProps) {
  const m = useMessages(sessionsTexts);
  const format = useFormat();
  const [asked, setAsked] = useState<UpstreamRuntime | null>(null);
  const end = useEndRuntime();
  const columns = useMemo<Column<UpstreamRuntime>[]>(() => {
    const c = m.sessions.columns;
    return [
      {
        id: "server",
        header: c.server,
        width: "minmax(120px,0.8fr)",
        sortBy: ({ server }) => server,
        cell: ({ server, ahead }) => (
          <span className="flex items-center gap-2">
            <span className="truncate font-mono text-xs">{server}</span>
            {ahead ? (
              <span title={m.sessions.aheadHint}>
                <Badge tone="accent">{m.sessions.ahead}</Badge>
              </span>
            ) : null}
          </span>
        ),
      },
      {
        id: "forWhom",
        header: c.forWhom,
        width: "minmax(120px,0.7fr)",
        sortBy: ({ username }) => username,
        cell: ({ username }) =>
          username === null ? (
            <span className="text-ink-3">{m.sessions.shared}</span>
          ) : (
            <b className="font-medium">{username}</b>
          ),
      },
      {
        id: "kind",
        header: c.kind,
        width: "116px",
        sortBy: ({ kind }) => kind,
        cell: ({ kind }) => <span className="font-mono text-ink-2 text-xs">{kind}</span>,
      },
      ...(nodes.length > 1
        ? [
            {
              id: "node",
              header: c.node,
              width: "minmax(80px,0.5fr)",
              sortBy: ({ node }: UpstreamRuntime) => namesOf(nodes, [node]),
              cell: ({ node }: UpstreamRuntime) => (
                <span className="font-mono text-ink-2 text-xs">{namesOf(nodes, [node])}</span>
              ),
            },
          ]
        : []),
      {
        id: "process",
        header: c.process,
        width: "72px",
        align: "right",
        cell: ({ pid }) => <span className="font-mono text-ink-2 text-xs">{pid ?? "–"}</span>,
      },
      {
        id: "opened",
        header: c.opened,
        width: "92px",
        sortBy: ({ openedAt }) => openedAt,
        cell: ({ openedAt }) => <Time at={openedAt} className="text-ink-2" />,
      },
      {
        id: "used",
        header: c.used,
        width: "92px",
        sortBy: ({ lastUsedAt }) => lastUsedAt,
        cell: ({ lastUsedAt }) => <Time at={lastUsedAt} className="text-ink-2" />,
      },
      {
        id: "inFlight",
        header: c.inFlight,
        width: "72px",
        align: "right",
        sortBy: ({ inFlight }) => inFlight,
        cell: ({ inFlight }) => format.number(inFlight),
      },
      {
        id: "actions",
        header: m.common.actions,
        hideHeader: true,
        width: "124px",
        cell: (runtime) => (
          <span className="flex justify-end gap-1">
            <Button
              tone="ghost"
              onClick={() => onChoose(runtime.id)}
              aria-label={m.sessions.outputOf(runtime.server)}
            >
              {m.sessions.output}
              <ChevronRight aria-hidden />
            </Button>
            <IconButton
              label={m.sessions.endRuntimeOf(runtime.server, runtime.username ?? m.sessions.shared)}
              onClick={() => setAsked(runtime)}
            >
              <Power aria-hidden />
            </IconButton>
          </span>
        ),
      },
    ];
  }, [m, format, nodes, onChoose]);
  const shown = runtimes.find(({ id }) => id === chosen);
  return (
    <>
      <DataTable
        label={m.sessions.tabs.upstreams}
        columns={columns}
        rows={runtimes}
        rowId={({ id }) => id}
        empty={<EmptyState title={m.sessions.runtimesEmpty}>{m.sessions.runtimesEmptyText}</EmptyState>}
      />
      <Sheet
        open={shown !== undefined}
        onOpenChange={(open) => !open && onChoose("")}
        title={m.sessions.outputOf(shown?.server ?? "")}
      >
        <div className="px-4 pb-4">
          {shown?.stderr.length ? (
            <CodeBlock text={shown.stderr.join("\n")} label={m.sessions.output} />
          ) : (
            <p className="text-ink-2">{m.sessions.noOutput}</p>
          )}
        </div>
      </Sheet>
      <EndQuestion
        what={asked}
        end={end}
        title={({ server }) => m.sessions.endRuntimeTitle(server)}
        text={m.sessions.endRuntimeText}
        action={m.sessions.endRuntime}
        onDone={() => setAsked(null)}
      />
    </>
  );
}
