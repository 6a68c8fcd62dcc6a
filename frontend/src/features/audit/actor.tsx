import { Avatar } from "@/components/person";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { cn } from "@/lib/cn";
import type { Item } from "./model";

/** Who acted; the hub's own roles are dashed. */
export function Actor({ item, className }: { item: Item; className?: string }) {
  const m = useMessages(auditTexts);
  const system = item.actor.startsWith("system:");
  const name = system ? item.actor.slice("system:".length) : item.actorName;
  return (
    <span className={cn("flex min-w-0 items-center gap-1.5", (system || !name) && "text-ink-3", className)}>
      <Avatar name={name || "?"} className={cn(system && "border-dashed")} />
      <span data-name className="truncate">
        {name || m.audit.nobody}
      </span>
    </span>
  );
}
