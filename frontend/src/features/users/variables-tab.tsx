import { CircleAlert, CircleCheck, CircleDashed } from "lucide-react";
import type { ServerSlots } from "@/api/schema.gen";
import { EmptyState } from "@/components/states";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { accessTexts } from "@/i18n/access";
import { usersTexts } from "@/i18n/users";
import { cn } from "@/lib/cn";

/** Whether each variable is set; what it is set to nobody but the user's servers gets. */
export function VariablesTab({ servers }: { servers: ServerSlots[] }) {
  const m = useMessages(accessTexts, usersTexts);
  if (servers.length === 0) return <EmptyState title={m.users.noVariables} />;
  return (
    <div className="flex flex-col gap-2 pt-3">
      <Notice>{m.users.valuesHidden}</Notice>
      <ul className="flex flex-col rounded-lg border border-line bg-surface">
        {servers.map(({ server, enabled, entitled, slots }) => (
          <li key={server} className="border-line border-b px-3.5 py-2 last:border-b-0">
            <p className="flex items-center gap-2">
              <span className="font-mono font-semibold">{server}</span>
              {enabled ? null : <Badge>{m.access.reasons.server_disabled}</Badge>}
              {entitled ? null : <Badge tone="warn">{m.users.notForThem}</Badge>}
            </p>
            <ul className="mt-1 flex flex-col gap-0.5">
              {slots.map((slot) => (
                <li key={slot.canonical} className="flex flex-wrap items-center gap-x-3">
                  <Slot {...slot} />
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
    </div>
  );
}

function Slot({ canonical, configured, required, updatedAt, rejectedAt }: ServerSlots["slots"][number]) {
  const m = useMessages(usersTexts);
  const state = rejectedAt ? "rejected" : configured ? "set" : required ? "missing" : "unset";
  const Icon = { rejected: CircleAlert, set: CircleCheck, missing: CircleAlert, unset: CircleDashed }[state];
  const tone = { rejected: "text-bad", set: "text-ok", missing: "text-warn-text", unset: "text-ink-3" }[
    state
  ];
  return (
    <>
      <span className={cn("inline-flex w-40 items-center gap-1.5 text-sm", tone)}>
        <Icon className="size-3.5" aria-hidden />
        {m.users.slotStates[state]}
      </span>
      <code className="text-xs">{canonical}</code>
      {updatedAt ? <Time at={updatedAt} className="text-ink-3 text-xs" /> : null}
    </>
  );
}
