import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import { stateQuery } from "@/api/past";
import type { PastUser } from "@/api/schema.gen";
import { usePages } from "@/api/use-pages";
import { useFormat } from "@/app/look";
import { ThenPage } from "@/components/as-of";
import type { Column } from "@/components/data-table/data-table";
import { Avatar } from "@/components/person";
import { ThenSearch } from "@/components/then-search";
import { ThenTable } from "@/components/then-table";
import { Badge } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { pastTexts } from "@/i18n/past";
import { usersTexts } from "@/i18n/users";
import { Roles, StateBadge } from "./standing";

const route = getRouteApi("/_app/admin/users/");

/** Who could come in at an earlier time, and with which role. */
export function UsersThen({ at, onNow }: { at: string; onNow: () => void }) {
  const m = useMessages(usersTexts, pastTexts);
  const format = useFormat();
  const { q = "" } = route.useSearch();
  const pages = usePages(useInfiniteQuery(stateQuery(at, "users", { q })), ({ data }) => data.users ?? []);
  const columns = useMemo<Column<PastUser>[]>(
    () => [
      {
        id: "name",
        header: m.users.columns.name,
        width: "minmax(180px,1.4fr)",
        sortBy: ({ username }) => username.toLowerCase(),
        cell: ({ username, displayName, isAdmin }) => (
          <span className="flex items-center gap-2">
            <Avatar name={username} url={null} admin={isAdmin} />
            <span data-name className="truncate font-semibold">
              {username}
            </span>
            {displayName && displayName !== username ? (
              <span data-name className="truncate text-ink-3 text-xs">
                {displayName}
              </span>
            ) : null}
          </span>
        ),
      },
      {
        id: "state",
        header: m.users.columns.state,
        width: "108px",
        className: "flex items-center",
        sortBy: ({ state }) => state,
        cell: ({ state }) =>
          state === "erased" ? <Badge tone="bad">{m.past.erased}</Badge> : <StateBadge state={state} />,
      },
      {
        id: "role",
        header: m.users.columns.role,
        width: "minmax(112px,0.7fr)",
        sortBy: ({ isAdmin, isAuditor }) => (isAdmin ? 0 : isAuditor ? 1 : 2),
        cell: (user) => <Roles user={user} />,
      },
      {
        id: "from",
        header: m.users.columns.from,
        width: "96px",
        sortBy: ({ provider }) => provider,
        cell: ({ provider }) => (
          <span className="text-ink-2 text-sm">{provider === "local" ? m.users.local : provider}</span>
        ),
      },
      {
        id: "keys",
        header: m.past.usableKeys,
        width: "104px",
        align: "right",
        sortBy: ({ keyCount }) => keyCount,
        cell: ({ keyCount }) => format.number(keyCount),
      },
      {
        id: "groups",
        header: m.users.columns.groups,
        width: "72px",
        align: "right",
        sortBy: ({ groupCount }) => groupCount,
        cell: ({ groupCount }) => format.number(groupCount),
      },
    ],
    [m, format],
  );
  return (
    <ThenPage title={m.users.title} at={at} onNow={onNow} tools={<ThenSearch placeholder={m.users.find} />}>
      <ThenTable label={m.users.title} columns={columns} pages={pages} sought={q !== ""} />
      <p className="mt-2 text-ink-3 text-sm">{m.past.names}</p>
    </ThenPage>
  );
}
