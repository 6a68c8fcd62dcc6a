import type { Changed } from "@/api/schema.gen";
import { FieldChanges } from "@/components/field-changes";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";

/** What a fact changed, field by field; a secret says only that it did. */
export function Changes({ changed }: { changed: Changed | null }) {
  const m = useMessages(auditTexts);
  if (changed === null) return <p className="text-ink-3 text-sm">{m.audit.noChanges}</p>;
  if (changed.fields.length === 0) return <p className="text-ink-3 text-sm">{m.audit.sameState}</p>;
  return <FieldChanges fields={changed.fields} />;
}
