import {
  Ban,
  Check,
  CircleSlash,
  Clock,
  Loader,
  MessageSquareWarning,
  TriangleAlert,
  Unplug,
} from "lucide-react";
import type { RequestView } from "@/api/schema.gen";
import { Badge, type Tone } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";

interface Look {
  tone: Tone;
  icon: typeof Check;
}

const FAILED: Look = { tone: "bad", icon: TriangleAlert };
const LOOKS: Record<string, Look> = {
  Pending: { tone: "accent", icon: Loader },
  Completed: { tone: "ok", icon: Check },
  ToolError: { tone: "warn", icon: MessageSquareWarning },
  Failed: FAILED,
  TimedOut: { tone: "bad", icon: Clock },
  Cancelled: { tone: "neutral", icon: CircleSlash },
  Denied: { tone: "warn", icon: Ban },
  Interrupted: { tone: "bad", icon: Unplug },
};

/** How a request ended. One that was answered, with an error of the tool itself, is told from one that went well. */
export function RequestStatus({
  request: { status, reason },
}: {
  request: Pick<RequestView, "status" | "reason">;
}) {
  const { statuses } = useMessages(requestsTexts).requests;
  const shown = status === "Completed" && reason === "tool_error" ? "ToolError" : status;
  const { tone, icon: Icon } = LOOKS[shown] ?? FAILED;
  return (
    <Badge tone={tone} icon={<Icon aria-hidden />}>
      {statuses[shown as keyof typeof statuses] ?? shown}
    </Badge>
  );
}
