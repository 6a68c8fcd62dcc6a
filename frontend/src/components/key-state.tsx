import type { KeyView } from "@/api/schema.gen";
import { Badge, type Tone } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { adminKeysTexts } from "@/i18n/admin-keys";

const TONES: Record<KeyView["state"], Tone> = {
  active: "ok",
  rotating: "warn",
  expired: "neutral",
  revoked: "neutral",
};

/** Whether a key works, and whether it does for long. */
export function KeyState({ state, warning }: Pick<KeyView, "state" | "warning">) {
  const m = useMessages(adminKeysTexts);
  return warning ? (
    <Badge tone="warn">{m.adminKeys.expiresSoon}</Badge>
  ) : (
    <Badge tone={TONES[state]}>{m.adminKeys.states[state]}</Badge>
  );
}
