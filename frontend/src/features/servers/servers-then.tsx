import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import { ownAccessQuery, stateQuery } from "@/api/past";
import type { PastServer } from "@/api/schema.gen";
import { usePages } from "@/api/use-pages";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { AccessList } from "@/components/access-list";
import { ThenPage } from "@/components/as-of";
import type { Column } from "@/components/data-table/data-table";
import { Loaded, SkeletonRows } from "@/components/states";
import { ThenSearch } from "@/components/then-search";
import { ThenTable } from "@/components/then-table";
import { Badge } from "@/components/ui/badge";
import { Card } from "@/components/ui/card";
import { useMessages } from "@/i18n";
import { pastTexts } from "@/i18n/past";
import { serversTexts } from "@/i18n/servers";

const route = getRouteApi("/_app/servers/");

/** The servers of an earlier time: all of them for those who read everything, else what one saw oneself. */
export function ServersThen({ at, onNow }: { at: string; onNow: () => void }) {
  const m = useMessages(serversTexts, pastTexts);
  const { isAdmin, isAuditor } = useMe();
  const { q = "" } = route.useSearch();
  const every = isAdmin || isAuditor;
  return (
    <ThenPage
      title={m.servers.title}
      at={at}
      onNow={onNow}
      tools={every ? <ThenSearch placeholder={m.servers.find} /> : null}
    >
      {every ? <Every at={at} q={q} /> : <Own at={at} />}
    </ThenPage>
  );
}

function Every({ at, q }: { at: string; q: string }) {
  const m = useMessages(serversTexts, pastTexts);
  const format = useFormat();
  const pages = usePages(
    useInfiniteQuery(stateQuery(at, "servers", { q })),
    ({ data }) => data.servers ?? [],
  );
  const columns = useMemo<Column<PastServer>[]>(
    () => [
      {
        id: "name",
        header: m.past.server,
        width: "minmax(160px,1fr)",
        sortBy: ({ name }) => name.toLowerCase(),
        cell: ({ name }) => <span className="truncate font-mono font-semibold">{name}</span>,
      },
      {
        id: "state",
        header: m.past.state,
        width: "80px",
        className: "flex items-center",
        sortBy: ({ isEnabled }) => (isEnabled ? 0 : 1),
        cell: ({ isEnabled }) => (
          <Badge tone={isEnabled ? "ok" : "neutral"}>{isEnabled ? m.past.on : m.past.off}</Badge>
        ),
      },
      {
        id: "type",
        header: m.past.type,
        width: "136px",
        sortBy: ({ type }) => type,
        cell: ({ type }) => <span className="font-mono text-ink-2 text-xs">{type}</span>,
      },
      {
        id: "for",
        header: m.past.for,
        width: "minmax(140px,1fr)",
        cell: ({ availableTo }) => <span className="truncate text-ink-2 text-sm">{availableTo}</span>,
      },
      {
        id: "tools",
        header: m.past.tools,
        width: "64px",
        align: "right",
        sortBy: ({ toolCount }) => toolCount,
        cell: ({ toolCount }) => format.number(toolCount),
      },
      {
        id: "changed",
        header: m.past.changed,
        width: "88px",
        align: "right",
        sortBy: ({ version }) => version,
        cell: ({ version }) => (
          <span className="font-mono text-ink-3 text-xs">#{format.number(version)}</span>
        ),
      },
    ],
    [m, format],
  );
  return (
    <>
      <ThenTable label={m.servers.title} columns={columns} pages={pages} sought={q !== ""} />
      <p className="mt-2 text-ink-3 text-sm">{m.past.recordedTools}</p>
    </>
  );
}

function Own({ at }: { at: string }) {
  const m = useMessages(pastTexts);
  const query = useQuery(ownAccessQuery(at));
  return (
    <>
      <Loaded query={query} skeleton={<SkeletonRows rows={10} />}>
        {(access) => (
          <Card>
            <AccessList servers={access.servers} tools none={m.past.noTools} />
          </Card>
        )}
      </Loaded>
      <p className="mt-2 text-ink-3 text-sm">{m.past.recordedTools}</p>
    </>
  );
}
