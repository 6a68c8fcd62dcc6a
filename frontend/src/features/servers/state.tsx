import {
  Ban,
  Check,
  CircleAlert,
  CircleDashed,
  CircleDot,
  CircleX,
  EyeOff,
  KeyRound,
  Loader2,
  type LucideIcon,
} from "lucide-react";
import type { ServerView, ToolView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Badge, type Tone, toneText } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";
import { cn } from "@/lib/cn";
import { type Mark, marksOf, type Readiness, type ReadinessKind } from "./model";

type Status = ServerView["status"];

const STATUS: Record<Status, { icon: LucideIcon; tone: Tone }> = {
  connected: { icon: CircleDot, tone: "ok" },
  connecting: { icon: Loader2, tone: "accent" },
  disconnected: { icon: CircleDashed, tone: "neutral" },
  disabled: { icon: Ban, tone: "neutral" },
  error: { icon: CircleX, tone: "bad" },
  needs_setup: { icon: KeyRound, tone: "warn" },
};

export function StatusMark({ status, short }: { status: Status; short?: boolean }) {
  const m = useMessages(serversTexts);
  const { icon: Icon, tone } = STATUS[status];
  return (
    <span
      className={cn("inline-flex items-center gap-1.5", toneText[tone])}
      title={short ? m.servers.statuses[status] : undefined}
    >
      <Icon className="size-4 shrink-0" aria-hidden />
      <span className={cn(short && "sr-only")}>{m.servers.statuses[status]}</span>
    </span>
  );
}

const READY: Record<ReadinessKind, { icon: LucideIcon; tone: Tone }> = {
  off: { icon: Ban, tone: "neutral" },
  missing: { icon: CircleAlert, tone: "warn" },
  hub: { icon: CircleAlert, tone: "warn" },
  rejected: { icon: CircleAlert, tone: "bad" },
  hidden: { icon: EyeOff, tone: "neutral" },
  ready: { icon: Check, tone: "ok" },
};

export function ReadyMark({ readiness }: { readiness: Readiness }) {
  const m = useMessages(serversTexts);
  const format = useFormat();
  const { icon: Icon, tone } = READY[readiness.kind];
  const text =
    readiness.kind === "missing"
      ? m.servers.readiness.missing(format.number(readiness.count))
      : m.servers.readiness[readiness.kind];
  return (
    <span className={cn("inline-flex items-center gap-1.5", toneText[tone])}>
      <Icon className="size-4 shrink-0" aria-hidden />
      {text}
    </span>
  );
}

const MARKS: Record<Mark, Tone> = {
  destructive: "bad",
  readOnly: "neutral",
  off: "neutral",
  waits: "warn",
  renamed: "accent",
  reworded: "accent",
};

export function ToolMarks({ tool }: { tool: ToolView }) {
  const m = useMessages(serversTexts);
  return marksOf(tool).map((mark) => (
    <Badge key={mark} tone={MARKS[mark]}>
      {m.servers.marks[mark]}
    </Badge>
  ));
}
