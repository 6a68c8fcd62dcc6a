import { Minus, PenLine, Plus } from "lucide-react";
import type { PastChange } from "@/api/schema.gen";
import { FieldChanges } from "@/components/field-changes";
import { JsonView } from "@/components/json-view";
import { Badge, type Tone } from "@/components/ui/badge";
import { Card } from "@/components/ui/card";
import { useMessages } from "@/i18n";
import { pastTexts } from "@/i18n/past";

const KINDS: Record<PastChange["kind"], { tone: Tone; icon: typeof Plus }> = {
  added: { tone: "ok", icon: Plus },
  removed: { tone: "bad", icon: Minus },
  changed: { tone: "warn", icon: PenLine },
};

/** One thing that came, went, or became another one. */
export function ChangeCard({ change }: { change: PastChange }) {
  const m = useMessages(pastTexts);
  const { tone, icon: Icon } = KINDS[change.kind];
  const whole = change.after ?? change.before;
  const name = change.name || m.past.things[change.section];
  return (
    <li>
      <Card>
        <div className="flex flex-wrap items-center gap-2 px-3.5 py-2">
          <Badge tone={tone} icon={<Icon aria-hidden />}>
            {m.past.kinds[change.kind]}
          </Badge>
          <span className="text-ink-3 text-sm">{m.past.things[change.section]}</span>
          <span data-name className="font-semibold">
            {name}
          </span>
          {change.username && change.section !== "users" ? (
            <span data-name className="text-ink-2 text-sm">
              {change.username}
            </span>
          ) : null}
        </div>
        <div className="border-line border-t px-3.5 py-2">
          {change.kind === "changed" ? (
            <FieldChanges fields={change.fields} />
          ) : (
            <JsonView value={whole} label={name} open={1} className="max-h-80" />
          )}
        </div>
      </Card>
    </li>
  );
}
