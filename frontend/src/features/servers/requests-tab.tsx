import { useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { Activity } from "lucide-react";
import { useMemo } from "react";
import type { RequestView, ServerView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { RequestStatus } from "@/components/request-status";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";
import { serverRequestsQuery } from "./queries";

/** The newest requests that went to a server: everybody's for those who may read them, else the reader's own. */
export function RequestsTab({ server }: { server: ServerView }) {
  const m = useMessages(serversTexts);
  const format = useFormat();
  const me = useMe();
  const router = useRouter();
  const all = me.isAdmin || me.isAuditor;
  const page = all ? "/admin/requests" : "/activity";
  const requests = useQuery(serverRequestsQuery(server.slug, all));
  const columns = useMemo<Column<RequestView>[]>(
    () => [
      {
        id: "time",
        header: m.servers.columns.time,
        width: "156px",
        cell: ({ startedAt }) => <Time at={startedAt} as="full" />,
      },
      ...(all
        ? [
            {
              id: "user",
              header: m.servers.columns.user,
              width: "minmax(100px,0.8fr)",
              cell: ({ username }: RequestView) => <b className="font-medium">{username}</b>,
            },
          ]
        : []),
      {
        id: "method",
        header: m.servers.columns.method,
        width: "minmax(100px,0.6fr)",
        cell: ({ method }) => <span className="font-mono text-ink-2 text-xs">{method}</span>,
      },
      {
        id: "tool",
        header: m.servers.columns.tool,
        width: "minmax(120px,1fr)",
        cell: ({ tool }) => <span className="font-mono">{tool ?? ""}</span>,
      },
      {
        id: "status",
        header: m.servers.columns.status,
        width: "112px",
        cell: (row) => (
          <span title={row.errorCode ?? undefined}>
            <RequestStatus request={row} />
          </span>
        ),
      },
      {
        id: "took",
        header: m.servers.columns.took,
        width: "76px",
        align: "right",
        sortBy: ({ durationMs }) => durationMs,
        cell: ({ durationMs }) => (durationMs === null ? "–" : format.duration(durationMs)),
      },
      {
        id: "id",
        header: m.common.requestId,
        width: "minmax(120px,0.8fr)",
        cell: ({ id, requestId }) =>
          "/admin/requests/$requestId" in router.routesByPath && all ? (
            <a href={`/admin/requests/${id}`} className="font-mono text-xs hover:underline">
              {requestId}
            </a>
          ) : (
            <span className="font-mono text-ink-2 text-xs">{requestId}</span>
          ),
      },
    ],
    [m, format, router, all],
  );
  return (
    <div className="pt-3">
      <Loaded query={requests} skeleton={<SkeletonRows rows={8} />}>
        {({ data: rows }) => (
          <>
            <DataTable
              label={m.servers.tabs.requests}
              columns={columns}
              rows={rows}
              rowId={({ id }) => id}
              empty={
                <EmptyState icon={<Activity aria-hidden />} title={m.servers.noRequests}>
                  {m.servers.noRequestsText}
                </EmptyState>
              }
            />
            {page in router.routesByPath ? (
              <a
                href={`${page}?q=${encodeURIComponent(`server:${server.slug}`)}`}
                className="mt-2 inline-block text-accent underline"
              >
                {m.servers.allRequests}
              </a>
            ) : null}
          </>
        )}
      </Loaded>
    </div>
  );
}
