import type { GroupView } from "@/api/schema.gen";
import { EmptyState } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { usersTexts } from "@/i18n/users";

/** Groups are the user's own: here they are only looked at. */
export function GroupsTab({ groups }: { groups: GroupView[] }) {
  const m = useMessages(usersTexts);
  if (groups.length === 0) return <EmptyState title={m.users.noGroups}>{m.users.noGroupsText}</EmptyState>;
  const none = groups.every(({ isActive }) => !isActive);
  return (
    <div className="flex flex-col gap-2 pt-3">
      {none ? <Notice tone="warn">{m.users.noActiveGroup}</Notice> : null}
      <ul className="flex flex-col rounded-lg border border-line bg-surface">
        {groups.map((group) => (
          <li
            key={group.id}
            className="flex min-h-row flex-wrap items-center gap-x-3 gap-y-1 border-line border-b px-3.5 py-1.5 last:border-b-0"
          >
            <span data-name className="font-semibold">
              {group.name}
            </span>
            <Badge tone={group.isActive ? "ok" : "neutral"}>
              {group.isActive ? m.users.groupOn : m.users.groupOff}
            </Badge>
            <span className="font-mono text-ink-2 text-xs">{group.servers.join(", ") || "–"}</span>
            {group.missingServers.length > 0 ? (
              <span className="text-ink-3 text-xs">
                {m.users.missingServers} <span className="font-mono">{group.missingServers.join(", ")}</span>
              </span>
            ) : null}
          </li>
        ))}
      </ul>
    </div>
  );
}
