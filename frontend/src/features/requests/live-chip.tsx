import { Pause, Radio } from "lucide-react";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { useShortcut } from "@/lib/shortcuts";

/** Says whether the page follows what happens, and switches it; `l` does the same. */
export function LiveChip({ on, onChange }: { on: boolean; onChange: (on: boolean) => void }) {
  const m = useMessages(requestsTexts);
  useShortcut("l", () => onChange(!on));
  return (
    <Button
      size="md"
      tone={on ? "on" : "plain"}
      aria-pressed={on}
      title={`${m.requests.liveToggle} (L)`}
      onClick={() => onChange(!on)}
    >
      {on ? <Radio aria-hidden /> : <Pause aria-hidden />}
      {on ? m.requests.liveOn : m.requests.liveOff}
    </Button>
  );
}
