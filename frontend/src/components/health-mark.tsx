import { CircleCheck, CircleX, type LucideIcon, TriangleAlert } from "lucide-react";
import type { HealthCheck } from "@/api/schema.gen";
import { type Tone, toneText } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { healthTexts } from "@/i18n/health";
import { cn } from "@/lib/cn";

type Status = HealthCheck["status"];

const LOOKS: Record<Status, { icon: LucideIcon; tone: Tone }> = {
  ok: { icon: CircleCheck, tone: "ok" },
  warning: { icon: TriangleAlert, tone: "warn" },
  error: { icon: CircleX, tone: "bad" },
};

/** How a part of the hub is doing: an icon, and a word that is read aloud or shown. */
export function HealthMark({ status, word = false }: { status: Status; word?: boolean }) {
  const m = useMessages(healthTexts);
  const { icon: Icon, tone } = LOOKS[status];
  return (
    <span className={cn("inline-flex items-center gap-1.5", toneText[tone])}>
      <Icon className="size-4 shrink-0" aria-hidden />
      <span className={cn(!word && "sr-only")}>{m.health.statuses[status]}</span>
    </span>
  );
}
