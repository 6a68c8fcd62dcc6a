import { Ban, Check, CircleSlash, Clock, Loader, TriangleAlert, Unplug } from "lucide-react";
import { Badge, type Tone } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import type { Status } from "./model";

const LOOKS: Record<Status, { tone: Tone; icon: typeof Check }> = {
  Pending: { tone: "accent", icon: Loader },
  Completed: { tone: "ok", icon: Check },
  Failed: { tone: "bad", icon: TriangleAlert },
  TimedOut: { tone: "bad", icon: Clock },
  Cancelled: { tone: "neutral", icon: CircleSlash },
  Denied: { tone: "warn", icon: Ban },
  Interrupted: { tone: "bad", icon: Unplug },
};

/** How a request ended. */
export function StatusBadge({ status }: { status: string }) {
  const m = useMessages(requestsTexts);
  const { tone, icon: Icon } = LOOKS[status as Status] ?? LOOKS.Failed;
  return (
    <Badge tone={tone} icon={<Icon aria-hidden />}>
      {m.requests.statuses[status as Status] ?? status}
    </Badge>
  );
}

/** A reason of the hub in words; one that has none yet as the hub spells it. */
export function Reason({ reason }: { reason: string }) {
  const { reasons } = useMessages(requestsTexts).requests;
  if (reason in reasons) return reasons[reason as keyof typeof reasons];
  return <code>{reason}</code>;
}
