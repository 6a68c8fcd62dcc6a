import { Link } from "@tanstack/react-router";
import { Check, CircleAlert, CircleDashed, KeyRound } from "lucide-react";
import type { ServerView, SlotView } from "@/api/schema.gen";
import { EmptyState } from "@/components/states";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { buttonLook } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";

/** What a server needs from the reader, and whether it is there. Values are entered at their own page. */
export function SettingsTab({ server }: { server: ServerView }) {
  const m = useMessages(serversTexts);
  if (server.slots.length === 0) {
    return <EmptyState icon={<KeyRound aria-hidden />} title={m.servers.noSlots} />;
  }
  return (
    <div className="flex max-w-[900px] flex-col gap-2 pt-3">
      <ul aria-label={m.servers.tabs.settings} className="rounded-lg border border-line bg-surface">
        {server.slots.map((slot) => (
          <Slot key={slot.name} slot={slot} server={server.name} />
        ))}
      </ul>
      <div>
        <Link to="/settings" hash={server.slug} className={buttonLook({ tone: "primary" })}>
          {m.servers.enterValues}
        </Link>
      </div>
    </div>
  );
}

function Slot({ slot, server }: { slot: SlotView; server: string }) {
  const m = useMessages(serversTexts);
  const others = slot.servers.filter((name) => name !== server);
  return (
    <li className="grid gap-x-4 gap-y-0.5 border-line border-b px-3.5 py-2.5 last:border-b-0 sm:grid-cols-[minmax(0,240px)_minmax(0,1fr)_auto]">
      <div className="min-w-0">
        <p className="truncate font-mono font-semibold text-sm" title={slot.name}>
          {slot.canonical}
        </p>
        <p className="text-ink-3 text-xs">
          {slot.required ? m.common.required : m.common.optional}
          {slot.secret ? ` · ${m.servers.secret}` : ""}
        </p>
      </div>
      <div className="min-w-0 text-ink-2 text-sm">
        {slot.description ? <p data-name>{slot.description}</p> : null}
        <p className="flex flex-wrap items-center gap-1 text-ink-3 text-xs">
          {m.servers.usedIn}
          {slot.placement.map((place) => (
            <Badge key={place}>{m.servers.places[place as "env"] ?? place}</Badge>
          ))}
          {others.length > 0 ? (
            <span>
              {m.servers.sharedWith} <span className="font-mono">{others.join(", ")}</span>
            </span>
          ) : null}
        </p>
      </div>
      <SlotState slot={slot} />
    </li>
  );
}

function SlotState({ slot }: { slot: SlotView }) {
  const m = useMessages(serversTexts);
  if (slot.rejectedAt) {
    return (
      <span className="inline-flex items-center gap-1.5 text-bad">
        <CircleAlert className="size-4" aria-hidden />
        {m.servers.slotRejected} <Time at={slot.rejectedAt} />
      </span>
    );
  }
  if (slot.configured) {
    return (
      <span className="inline-flex items-center gap-1.5 text-ok">
        <Check className="size-4" aria-hidden />
        {m.servers.slotSet} {slot.updatedAt ? <Time at={slot.updatedAt} className="text-ink-3" /> : null}
      </span>
    );
  }
  return slot.required ? (
    <span className="inline-flex items-center gap-1.5 text-warn-text">
      <CircleAlert className="size-4" aria-hidden />
      {m.servers.slotMissing}
    </span>
  ) : (
    <span className="inline-flex items-center gap-1.5 text-ink-3">
      <CircleDashed className="size-4" aria-hidden />
      {m.servers.slotEmpty}
    </span>
  );
}
