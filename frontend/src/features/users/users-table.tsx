import { getRouteApi, Link } from "@tanstack/react-router";
import { type ReactNode, useMemo } from "react";
import type { User } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { Avatar } from "@/components/person";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Checkbox } from "@/components/ui/checkbox";
import { useMessages } from "@/i18n";
import { usersTexts } from "@/i18n/users";
import type { UserCommands } from "./commands";
import type { Asked } from "./dialogs";
import { Roles, StateBadge } from "./standing";
import { UserMenu } from "./user-menu";

const route = getRouteApi("/_app/admin/users/");

interface UsersTableProps {
  users: User[];
  onlyAdmin: boolean;
  chosen: ReadonlySet<string>;
  onChosen: (chosen: ReadonlySet<string>) => void;
  commands: UserCommands;
  onAsk: (asked: Asked) => void;
  onEnd: () => void;
  empty: ReactNode;
}

export function UsersTable({
  users,
  onlyAdmin,
  chosen,
  onChosen,
  commands,
  onAsk,
  onEnd,
  empty,
}: UsersTableProps) {
  const m = useMessages(usersTexts);
  const me = useMe();
  const format = useFormat();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const columns = useMemo<Column<User>[]>(() => {
    const names = m.users.columns;
    const never = <span className="text-ink-3">{m.common.never}</span>;
    const toggle = (id: string, on: boolean) => {
      const next = new Set(chosen);
      if (on) next.add(id);
      else next.delete(id);
      onChosen(next);
    };
    return [
      {
        id: "chosen",
        header: m.users.choose,
        hideHeader: true,
        width: "18px",
        className: "overflow-visible",
        cell: ({ id, username, state }) =>
          state === "deleted" ? null : (
            <Checkbox
              checked={chosen.has(id)}
              onChange={(on) => toggle(id, on)}
              label={m.users.chooseOne(username)}
            />
          ),
      },
      {
        id: "name",
        header: names.name,
        width: "minmax(180px,1.4fr)",
        sortBy: ({ username }) => username.toLowerCase(),
        cell: (user) => (
          <span className="flex items-center gap-2">
            <Avatar name={user.username} url={user.avatarUrl} admin={user.isAdmin} />
            <Link
              to="/admin/users/$userId"
              params={{ userId: user.id }}
              data-name
              className="truncate font-semibold hover:underline"
            >
              {user.username}
            </Link>
            {user.id === me.id ? <Badge tone="accent">{m.users.you}</Badge> : null}
            {user.displayName && user.displayName !== user.username ? (
              <span data-name className="truncate text-ink-3 text-xs">
                {user.displayName}
              </span>
            ) : null}
          </span>
        ),
      },
      {
        id: "state",
        header: names.state,
        width: "92px",
        sortBy: ({ state }) => state,
        className: "flex items-center",
        cell: ({ state }) => <StateBadge state={state} />,
      },
      {
        id: "role",
        header: names.role,
        width: "minmax(112px,0.7fr)",
        sortBy: ({ isAdmin, isAuditor }) => (isAdmin ? 0 : isAuditor ? 1 : 2),
        cell: (user) => <Roles user={user} />,
      },
      {
        id: "from",
        header: names.from,
        width: "84px",
        sortBy: ({ provider }) => provider,
        cell: ({ provider }) => (
          <span className="text-ink-2 text-sm">{provider === "local" ? m.users.local : provider}</span>
        ),
      },
      {
        id: "keys",
        header: names.keys,
        width: "52px",
        align: "right",
        sortBy: ({ keyCount }) => keyCount,
        cell: ({ keyCount }) => format.number(keyCount),
      },
      {
        id: "groups",
        header: names.groups,
        width: "56px",
        align: "right",
        sortBy: ({ groupCount }) => groupCount,
        cell: ({ groupCount }) => format.number(groupCount),
      },
      {
        id: "seen",
        header: names.seen,
        width: "104px",
        className: "pl-3",
        sortBy: ({ lastSeenAt }) => lastSeenAt,
        cell: ({ lastSeenAt }) => (lastSeenAt ? <Time at={lastSeenAt} /> : never),
      },
      {
        id: "joined",
        header: names.joined,
        width: "92px",
        sortBy: ({ createdAt }) => createdAt,
        cell: ({ createdAt }) => <Time at={createdAt} as="date" className="text-ink-2" />,
      },
      {
        id: "actions",
        header: m.common.actions,
        hideHeader: true,
        width: "108px",
        className: "flex items-center justify-end gap-1 overflow-visible",
        cell: (user) => (
          <>
            {user.state === "pending" ? (
              <Button
                aria-label={m.users.activateOne(user.username)}
                onClick={() => commands.setActive.mutate({ user, active: true })}
              >
                {m.users.activate}
              </Button>
            ) : null}
            <UserMenu user={user} onlyAdmin={onlyAdmin} commands={commands} onAsk={onAsk} />
          </>
        ),
      },
    ];
  }, [m, me, format, chosen, onChosen, commands, onAsk, onlyAdmin]);
  const sort = search.sort ? { id: search.sort.replace(/^-/, ""), desc: search.sort.startsWith("-") } : null;
  return (
    <DataTable
      label={m.users.title}
      columns={columns}
      rows={users}
      rowId={({ id }) => id}
      selected={search.e ?? null}
      onSelect={({ id }) =>
        void navigate({ search: (now) => ({ ...now, e: id }), replace: true, resetScroll: false })
      }
      onOpen={({ id }) => void navigate({ to: "/admin/users/$userId", params: { userId: id } })}
      sort={sort}
      onSort={(wanted) =>
        void navigate({
          search: ({ sort: _, ...now }) =>
            wanted ? { ...now, sort: `${wanted.desc ? "-" : ""}${wanted.id}` } : now,
        })
      }
      onEnd={onEnd}
      height="fill"
      empty={empty}
      className="-mx-4.5"
    />
  );
}
