import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { Copy, Ellipsis, Pencil, Trash2 } from "lucide-react";
import { useMemo } from "react";
import { myAccessQuery } from "@/api/my-access";
import type { GroupView, ServerView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useToast } from "@/app/use-toast";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { EmptyState } from "@/components/states";
import { Time } from "@/components/time";
import { Button, IconButton } from "@/components/ui/button";
import { Menu, MenuItem, MenuSeparator } from "@/components/ui/menu";
import { Switch } from "@/components/ui/switch";
import { useMessages } from "@/i18n";
import { groupsTexts } from "@/i18n/groups";
import { cn } from "@/lib/cn";
import type { useGroupCommands } from "./commands";
import { copyName, countOf, draftOf } from "./model";

interface GroupsTableProps {
  groups: GroupView[];
  /** Those of them that a search found. */
  found: GroupView[];
  servers: ServerView[];
  commands: ReturnType<typeof useGroupCommands>;
  selected: string | null;
  onSelect: (id: string) => void;
  onClearSearch: () => void;
}

export function GroupsTable({
  groups,
  found,
  servers,
  commands: { make, toggle, remove },
  selected,
  onSelect,
  onClearSearch,
}: GroupsTableProps) {
  const m = useMessages(groupsTexts);
  const format = useFormat();
  const toast = useToast();
  const navigate = useNavigate();
  const all = useMemo(() => groups.map(({ id }) => id), [groups]);
  const { data: everything } = useQuery(myAccessQuery("/mcp", all));

  const columns = useMemo<Column<GroupView>[]>(() => {
    const open = (id: string) => navigate({ to: "/user-groups/$groupId", params: { groupId: id } });
    const duplicate = (group: GroupView) => {
      const { name, description, servers: named, isActive } = group;
      const copy = { name: copyName(name, groups), description, servers: named, isActive };
      make.mutate(copy, { onError: toast.failed });
    };
    return [
      {
        id: "on",
        header: m.groups.columns.on,
        width: "44px",
        className: "overflow-visible",
        cell: (group) => (
          <span className="flex">
            <Switch
              checked={group.isActive}
              label={m.groups.switch(group.name)}
              onChange={(on) => toggle.mutate({ group, on })}
            />
          </span>
        ),
      },
      {
        id: "name",
        header: m.groups.columns.name,
        width: "minmax(140px,1fr)",
        sortBy: ({ name }) => name.toLowerCase(),
        cell: ({ id, name, description, isActive }) => (
          <span className="flex items-baseline gap-2" title={description || undefined}>
            <Link
              to="/user-groups/$groupId"
              params={{ groupId: id }}
              data-name
              className={cn("truncate font-semibold hover:underline", !isActive && "text-ink-2")}
            >
              {name}
            </Link>
            <span className="truncate text-ink-3 text-xs" data-name>
              {description}
            </span>
          </span>
        ),
      },
      {
        id: "servers",
        header: m.groups.columns.servers,
        width: "minmax(140px,1.2fr)",
        cell: (group) => <Servers group={group} />,
      },
      {
        id: "tools",
        header: m.groups.columns.tools,
        width: "56px",
        align: "right",
        sortBy: (group) => (everything ? countOf(group, everything, servers).tools : 0),
        cell: (group) => {
          if (!everything) return null;
          const { tools, atLeast } = countOf(group, everything, servers);
          const count = format.number(tools);
          return atLeast ? (
            <span title={m.groups.atLeastHint}>{m.groups.atLeast(count)}</span>
          ) : (
            <span>{count}</span>
          );
        },
      },
      {
        id: "changed",
        header: m.groups.columns.changed,
        width: "84px",
        sortBy: ({ updatedAt }) => updatedAt,
        cell: ({ updatedAt }) => <Time at={updatedAt} className="text-ink-2" />,
      },
      {
        id: "actions",
        header: m.common.actions,
        hideHeader: true,
        width: "28px",
        className: "overflow-visible",
        cell: (group) => (
          <Menu
            trigger={
              <IconButton label={m.groups.actionsFor(group.name)}>
                <Ellipsis aria-hidden />
              </IconButton>
            }
          >
            <MenuItem icon={<Pencil aria-hidden />} onSelect={() => void open(group.id)}>
              {m.groups.open}
            </MenuItem>
            <MenuItem icon={<Copy aria-hidden />} onSelect={() => duplicate(group)}>
              {m.groups.duplicate}
            </MenuItem>
            <MenuSeparator />
            <MenuItem danger icon={<Trash2 aria-hidden />} onSelect={() => remove.mutate(group)}>
              {m.groups.delete}
            </MenuItem>
          </Menu>
        ),
      },
    ];
  }, [m, format, toast, navigate, groups, servers, everything, make, toggle, remove]);

  return (
    <DataTable
      label={m.groups.list}
      columns={columns}
      rows={found}
      rowId={({ id }) => id}
      selected={selected}
      onSelect={({ id }) => onSelect(id)}
      onOpen={({ id }) => void navigate({ to: "/user-groups/$groupId", params: { groupId: id } })}
      rowClass={({ isActive }) => (isActive ? undefined : "text-ink-2")}
      empty={
        <EmptyState
          title={m.groups.noMatch}
          className="py-8"
          action={<Button onClick={onClearSearch}>{m.common.clearSearch}</Button>}
        />
      }
    />
  );
}

function Servers({ group }: { group: GroupView }) {
  const m = useMessages(groupsTexts);
  const named = draftOf(group).servers;
  if (named.length === 0) return <span className="text-ink-3">{m.groups.noServers}</span>;
  const text = [...group.servers, ...group.missingServers.map((name) => m.groups.gone(name))].join(", ");
  return (
    <span title={text} data-name className="text-ink-2">
      {group.servers.join(", ")}
      {group.missingServers.length > 0 ? (
        <span className="text-warn-text">
          {group.servers.length > 0 ? ", " : ""}
          {group.missingServers.map((name) => m.groups.gone(name)).join(", ")}
        </span>
      ) : null}
    </span>
  );
}
