import { Check, CircleSlash } from "lucide-react";
import type { ReactNode } from "react";
import type { Access } from "@/api/access";
import type { VisibleServer } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { EmptyState } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { accessTexts } from "@/i18n/access";
import { cn } from "@/lib/cn";

/** Why something is hidden, as the hub's own decision says it; a reason this page does not know stands as it is. */
export function useReason(): (reason: string) => string {
  const { reasons } = useMessages(accessTexts).access;
  return (reason) => (reason in reasons ? reasons[reason as keyof typeof reasons] : reason);
}

interface AccessListProps {
  servers: Access["servers"];
  /** Name every tool, not only hidden ones. */
  tools?: boolean;
  /** Why a visible server has no tools, where it is not that nobody asked it. */
  none?: string;
  /** What stands behind each server and tool, as a way to more. */
  end?: (server: string, tool?: string) => ReactNode;
}

/** Server by server, and tool by tool where one is hidden or `tools` asks for all: there, or why not. */
export function AccessList({ servers, tools = false, none, end }: AccessListProps) {
  const m = useMessages(accessTexts);
  if (servers.length === 0) return <EmptyState title={m.access.noServers} className="py-8" />;
  return (
    <ul className="flex flex-col">
      {servers.map((server) => (
        <li key={server.server} className="border-line border-b last:border-b-0" data-server={server.server}>
          <Server server={server} none={none ?? m.access.notListed} end={end} />
          {tools && server.reason === "allowed" && server.tools.length > 0 ? (
            <Tools server={server} end={end} />
          ) : null}
        </li>
      ))}
    </ul>
  );
}

interface ServerProps {
  server: VisibleServer;
  end: AccessListProps["end"];
}

function Server({ server, none, end }: ServerProps & { none: string }) {
  const m = useMessages(accessTexts);
  const format = useFormat();
  const why = useReason();
  const shown = server.reason === "allowed";
  const allowed = server.tools.filter(({ reason }) => reason === "allowed").length;
  return (
    <div className="flex min-h-row flex-wrap items-center gap-x-3 gap-y-0.5 px-3.5 py-1">
      <span className="flex min-w-0 items-center gap-x-3">
        <Mark shown={shown} />
        <span className={cn("min-w-0 break-words font-mono font-semibold", !shown && "text-ink-2")}>
          {server.server}
        </span>
      </span>
      {shown ? (
        <span className="text-ink-3 text-xs">
          {server.tools.length === 0
            ? none
            : m.access.toolCount(format.number(allowed), format.number(server.tools.length))}
        </span>
      ) : (
        <span className="text-ink-2 text-sm">{why(server.reason)}</span>
      )}
      {shown && server.missing.length > 0 ? (
        <Badge tone="warn">{m.access.missing(server.missing.join(", "))}</Badge>
      ) : null}
      {server.detail ? <span className="text-ink-3 text-xs">{m.access.detail(server.detail)}</span> : null}
      {end ? <span className="ml-auto">{end(server.server)}</span> : null}
    </div>
  );
}

function Tools({ server, end }: ServerProps) {
  const why = useReason();
  return (
    <dl className="flex flex-col gap-y-0.5 pr-3.5 pb-2 pl-10.5 text-xs">
      {server.tools.map((tool) => (
        <div key={tool.name} className="flex flex-wrap items-center gap-x-3">
          <dt className={cn("truncate font-mono", tool.reason === "allowed" ? "text-ink-2" : "text-ink-3")}>
            {tool.exposedName}
          </dt>
          <dd className="text-ink-3">
            {tool.reason === "allowed" ? null : <Badge tone="warn">{why(tool.reason)}</Badge>}
          </dd>
          {end ? <dd className="ml-auto">{end(server.server, tool.name)}</dd> : null}
        </div>
      ))}
    </dl>
  );
}

function Mark({ shown }: { shown: boolean }) {
  const m = useMessages(accessTexts);
  const Icon = shown ? Check : CircleSlash;
  return (
    <span className={cn("[&_svg]:size-4", shown ? "text-ok" : "text-ink-3")}>
      <Icon aria-hidden />
      <span className="sr-only">{shown ? m.access.visible : m.access.hidden}</span>
    </span>
  );
}
