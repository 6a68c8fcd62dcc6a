import { useNavigate } from "@tanstack/react-router";
import { Copy, Ellipsis, ListTree, Power } from "lucide-react";
import { useMemo, useState } from "react";
import type { HeardNode, LiveSession } from "@/api/schema.gen";
import { useToast } from "@/app/use-toast";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { Time } from "@/components/time";
import { IconButton } from "@/components/ui/button";
import { copyText } from "@/components/ui/copy-button";
import { Menu, MenuItem, MenuSeparator } from "@/components/ui/menu";
import { useMessages } from "@/i18n";
import { sessionsTexts } from "@/i18n/sessions";
import { cn } from "@/lib/cn";
import { ActivityCell } from "./activity-cell";
import { useEndSession } from "./commands";
import { EndQuestion } from "./end-question";
import { namesOf, type ShownSession } from "./model";

interface SessionsTableProps {
  rows: ShownSession[];
  /** Where there are several, each session says at which of them it is. */
  nodes: HeardNode[];
  empty: React.ReactNode;
}

/** Clients that are connected, and what each of them does. */
export function SessionsTable({ rows, nodes, empty }: SessionsTableProps) {
  const m = useMessages(sessionsTexts);
  const navigate = useNavigate();
  const toast = useToast();
  const [asked, setAsked] = useState<LiveSession | null>(null);
  const end = useEndSession();
  const columns = useMemo<Column<ShownSession>[]>(() => {
    const c = m.sessions.columns;
    const requestsOf = (id: string) =>
      void navigate({ to: "/admin/requests", search: { q: `session:${id}`, span: "24h" } });
    return [
      {
        id: "user",
        header: c.user,
        width: "minmax(100px,0.6fr)",
        sortBy: ({ session }) => session.username,
        cell: ({ session, endedAt }) => (
          <b className={cn("font-medium", endedAt !== null && "text-ink-3")}>{session.username}</b>
        ),
      },
      {
        id: "client",
        header: c.client,
        width: "minmax(110px,0.7fr)",
        sortBy: ({ session }) => session.clientName,
        cell: ({ session }) => (
          <span className="font-mono text-xs">
            {session.clientName} <span className="text-ink-3">{session.clientVersion}</span>
          </span>
        ),
      },
      {
        id: "key",
        header: c.key,
        width: "minmax(80px,0.5fr)",
        sortBy: ({ session }) => session.keyName,
        cell: ({ session }) => <span className="font-mono text-ink-2 text-xs">{session.keyName}</span>,
      },
      {
        id: "protocol",
        header: c.protocol,
        width: "88px",
        sortBy: ({ session }) => session.protocolVersion,
        cell: ({ session }) => (
          <span className="font-mono text-ink-2 text-xs">{session.protocolVersion}</span>
        ),
      },
      {
        id: "view",
        header: c.view,
        width: "minmax(80px,0.5fr)",
        cell: ({ session }) => <span className="font-mono text-ink-2 text-xs">{session.view}</span>,
      },
      ...(nodes.length > 1
        ? [
            {
              id: "node",
              header: c.node,
              width: "minmax(80px,0.5fr)",
              sortBy: ({ session }: ShownSession) => namesOf(nodes, session.nodes),
              cell: ({ session }: ShownSession) => (
                <span className="font-mono text-ink-2 text-xs">{namesOf(nodes, session.nodes)}</span>
              ),
            },
          ]
        : []),
      {
        id: "since",
        header: c.since,
        width: "92px",
        sortBy: ({ session }) => session.since,
        cell: ({ session }) => <Time at={session.since} className="text-ink-2" />,
      },
      {
        id: "activity",
        header: c.activity,
        width: "minmax(240px,1.4fr)",
        cell: (row) => <ActivityCell row={row} />,
      },
      {
        id: "actions",
        header: m.common.actions,
        hideHeader: true,
        width: "32px",
        cell: ({ session, endedAt }) => (
          <Menu
            trigger={
              <IconButton label={m.sessions.actionsOf(session.username)}>
                <Ellipsis aria-hidden />
              </IconButton>
            }
          >
            <MenuItem icon={<ListTree aria-hidden />} onSelect={() => requestsOf(session.id)}>
              {m.sessions.requests}
            </MenuItem>
            <MenuItem
              icon={<Copy aria-hidden />}
              onSelect={() => void copyText(session.id).then(() => toast.done(m.common.copied), toast.failed)}
            >
              {m.sessions.copyId}
            </MenuItem>
            <MenuSeparator />
            <MenuItem
              danger
              disabled={endedAt !== null}
              icon={<Power aria-hidden />}
              onSelect={() => setAsked(session)}
            >
              {m.sessions.end}
            </MenuItem>
          </Menu>
        ),
      },
    ];
  }, [m, nodes, navigate, toast]);
  return (
    <>
      <DataTable
        label={m.sessions.tabs.sessions}
        columns={columns}
        rows={rows}
        rowId={({ session }) => session.id}
        rowClass={({ endedAt }) => (endedAt === null ? undefined : "text-ink-3")}
        empty={empty}
      />
      <EndQuestion
        what={asked}
        end={end}
        title={({ username }) => m.sessions.endTitle(username)}
        text={m.sessions.endText}
        action={m.sessions.end}
        onDone={() => setAsked(null)}
      />
    </>
  );
}
