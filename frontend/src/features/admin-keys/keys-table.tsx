import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import { useFormat } from "@/app/look";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { KeyState } from "@/components/key-state";
import { Avatar } from "@/components/person";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { adminKeysTexts } from "@/i18n/admin-keys";
import type { KeyRow } from "./model";

const route = getRouteApi("/_app/admin/keys");

interface KeysTableProps {
  rows: KeyRow[];
  onRevoke: (row: KeyRow) => void;
  empty: ReactNode;
}

export function KeysTable({ rows, onRevoke, empty }: KeysTableProps) {
  const m = useMessages(adminKeysTexts);
  const format = useFormat();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const columns = useMemo<Column<KeyRow>[]>(() => {
    const names = m.adminKeys.columns;
    return [
      {
        id: "owner",
        header: names.owner,
        width: "minmax(140px,1fr)",
        sortBy: ({ owner }) => owner.username.toLowerCase(),
        cell: ({ owner }) => (
          <span className="flex items-center gap-2">
            <Avatar name={owner.username} url={owner.avatarUrl} admin={owner.isAdmin} />
            <Link
              to="/admin/users/$userId"
              params={{ userId: owner.id }}
              search={{ tab: "keys" }}
              data-name
              className="truncate hover:underline"
            >
              {owner.username}
            </Link>
          </span>
        ),
      },
      {
        id: "name",
        header: names.name,
        width: "minmax(130px,1fr)",
        sortBy: ({ key }) => key.name.toLowerCase(),
        cell: ({ key }) => (
          <span className="flex items-center gap-1.5">
            <span data-name className="truncate font-semibold">
              {key.name}
            </span>
            {key.headerOnly ? <Badge>{m.adminKeys.headerOnly}</Badge> : null}
          </span>
        ),
      },
      {
        id: "key",
        header: names.key,
        width: "168px",
        cell: ({ key }) => <span className="font-mono text-ink-2 text-xs">{key.maskedKey}</span>,
      },
      {
        id: "state",
        header: names.state,
        width: "96px",
        sortBy: ({ key }) => key.state,
        className: "flex items-center",
        cell: ({ key }) => <KeyState {...key} />,
      },
      {
        id: "scope",
        header: names.scope,
        width: "minmax(96px,0.6fr)",
        sortBy: ({ key }) => (key.scope ? 1 : 0),
        cell: ({ key }) => (
          <span className="text-ink-2 text-sm" title={key.scope?.servers?.join(", ")}>
            {key.scope ? m.adminKeys.narrowed : m.adminKeys.whole}
          </span>
        ),
      },
      {
        id: "expires",
        header: names.expires,
        width: "92px",
        sortBy: ({ key }) => key.expiresAt,
        cell: ({ key }) => <Time at={key.expiresAt} as="date" />,
      },
      {
        id: "used",
        header: names.used,
        width: "92px",
        sortBy: ({ key }) => key.lastUsedAt,
        cell: ({ key }) =>
          key.lastUsedAt ? (
            <Time at={key.lastUsedAt} />
          ) : (
            <span className="text-ink-3">{m.common.never}</span>
          ),
      },
      {
        id: "calls",
        header: names.calls,
        width: "64px",
        align: "right",
        sortBy: ({ key }) => key.usageCount,
        cell: ({ key }) => format.number(key.usageCount),
      },
      {
        id: "actions",
        header: m.common.actions,
        hideHeader: true,
        width: "76px",
        className: "flex justify-end overflow-visible",
        cell: (row) =>
          row.key.state === "revoked" ? null : (
            <Button
              tone="ghost"
              aria-label={m.adminKeys.revokeOne(row.key.name)}
              onClick={() => onRevoke(row)}
            >
              {m.adminKeys.revoke}
            </Button>
          ),
      },
    ];
  }, [m, format, onRevoke]);
  const sort = search.sort ? { id: search.sort.replace(/^-/, ""), desc: search.sort.startsWith("-") } : null;
  return (
    <DataTable
      label={m.adminKeys.title}
      columns={columns}
      rows={rows}
      rowId={({ key }) => key.id}
      selected={search.e ?? null}
      onSelect={({ key }) =>
        void navigate({ search: (now) => ({ ...now, e: key.id }), replace: true, resetScroll: false })
      }
      onOpen={({ owner }) =>
        void navigate({ to: "/admin/users/$userId", params: { userId: owner.id }, search: { tab: "keys" } })
      }
      sort={sort}
      onSort={(wanted) =>
        void navigate({
          search: ({ sort: _, ...now }) =>
            wanted ? { ...now, sort: `${wanted.desc ? "-" : ""}${wanted.id}` } : now,
        })
      }
      height="fill"
      empty={empty}
      className="-mx-4.5"
    />
  );
}
