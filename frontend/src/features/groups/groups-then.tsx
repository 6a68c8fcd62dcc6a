import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import { stateQuery } from "@/api/past";
import type { PastGroup } from "@/api/schema.gen";
import { usePages } from "@/api/use-pages";
import { useMe } from "@/app/session";
import { ThenPage } from "@/components/as-of";
import type { Column } from "@/components/data-table/data-table";
import { ThenSearch } from "@/components/then-search";
import { ThenTable } from "@/components/then-table";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { groupsTexts } from "@/i18n/groups";
import { pastTexts } from "@/i18n/past";

const route = getRouteApi("/_app/user-groups/");

/** The groups of an earlier time: one's own, and for those who read everything everybody's. */
export function GroupsThen({ at, onNow }: { at: string; onNow: () => void }) {
  const m = useMessages(groupsTexts, pastTexts);
  const { isAdmin, isAuditor } = useMe();
  const { q = "" } = route.useSearch();
  const everybody = isAdmin || isAuditor;
  const pages = usePages(useInfiniteQuery(stateQuery(at, "groups", { q })), ({ data }) => data.groups ?? []);
  const columns = useMemo<Column<PastGroup>[]>(() => {
    const owner: Column<PastGroup> = {
      id: "owner",
      header: m.past.owner,
      width: "minmax(110px,0.6fr)",
      sortBy: ({ username }) => username.toLowerCase(),
      cell: ({ username }) => <span data-name>{username}</span>,
    };
    return [
      {
        id: "on",
        header: m.past.state,
        width: "72px",
        className: "flex items-center",
        sortBy: ({ isActive }) => (isActive ? 0 : 1),
        cell: ({ isActive }) => (
          <Badge tone={isActive ? "ok" : "neutral"}>{isActive ? m.past.on : m.past.off}</Badge>
        ),
      },
      {
        id: "name",
        header: m.past.name,
        width: "minmax(140px,0.8fr)",
        sortBy: ({ name }) => name.toLowerCase(),
        cell: ({ name, description }) => (
          <span className="truncate font-semibold" title={description || undefined}>
            {name}
          </span>
        ),
      },
      ...(everybody ? [owner] : []),
      {
        id: "servers",
        header: m.past.servers,
        width: "minmax(180px,1.4fr)",
        cell: ({ servers, missingServers }) => (
          <span className="truncate font-mono text-ink-2 text-xs">
            {servers.join(", ") || "–"}
            {missingServers.length > 0 ? (
              <span className="ml-2 font-sans text-ink-3">{m.past.missing(missingServers.join(", "))}</span>
            ) : null}
          </span>
        ),
      },
      {
        id: "changed",
        header: m.past.changed,
        width: "112px",
        sortBy: ({ updatedAt }) => updatedAt,
        cell: ({ updatedAt }) => <Time at={updatedAt} />,
      },
    ];
  }, [m, everybody]);
  return (
    <ThenPage title={m.groups.title} at={at} onNow={onNow} tools={<ThenSearch placeholder={m.groups.find} />}>
      <ThenTable label={m.groups.title} columns={columns} pages={pages} sought={q !== ""} />
    </ThenPage>
  );
}
