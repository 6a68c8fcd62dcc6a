import type { Changed } from "@/api/schema.gen";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { cn } from "@/lib/cn";

/** What a fact changed, field by field; a secret says only that it did. */
export function Changes({ changed }: { changed: Changed | null }) {
  const m = useMessages(auditTexts);
  if (changed === null) return <p className="text-ink-3 text-sm">{m.audit.noChanges}</p>;
  if (changed.fields.length === 0) return <p className="text-ink-3 text-sm">{m.audit.sameState}</p>;
  return (
    <table className="w-full table-fixed border-separate border-spacing-0 overflow-hidden rounded-md border border-line text-xs">
      <colgroup>
        <col className="w-36" />
        <col />
      </colgroup>
      <thead className="sr-only">
        <tr>
          <th scope="col">{m.audit.field}</th>
          <th scope="col">
            {m.audit.before}, {m.audit.after}
          </th>
        </tr>
      </thead>
      <tbody>
        {changed.fields.map(({ field, before, after, hidden }, at) => (
          <tr key={field}>
            <th
              scope="row"
              className={cn(
                "w-36 break-words bg-raised px-2.5 py-1.5 text-left align-top font-mono font-normal text-ink-2",
                at > 0 && "border-line border-t",
              )}
            >
              {pathText(field)}
            </th>
            <td className={cn("p-0 align-top font-mono", at > 0 && "border-line border-t")}>
              {hidden ? (
                <p className="px-2.5 py-1.5 font-sans text-ink-3">{m.audit.hiddenChange}</p>
              ) : (
                <>
                  {before === undefined ? null : <Side sign="−" label={m.audit.before} value={before} gone />}
                  {after === undefined ? null : <Side sign="+" label={m.audit.after} value={after} />}
                </>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Side({ sign, label, value, gone }: { sign: string; label: string; value: unknown; gone?: boolean }) {
  return (
    <div
      className={cn(
        "flex gap-2 whitespace-pre-wrap break-words px-2.5 py-1.5",
        gone ? "bg-bad-soft text-bad" : "bg-ok-soft text-ok",
      )}
    >
      <span aria-hidden>{sign}</span>
      <span className="sr-only">{label}:</span>
      <span className="min-w-0 flex-1">
        {typeof value === "string" ? value || '""' : JSON.stringify(value, null, 1)}
      </span>
    </div>
  );
}

/** `/config/headers/X-A` as `config › headers › X-A` */
function pathText(pointer: string): string {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replace(/~1/g, "/").replace(/~0/g, "~"))
    .join(" › ");
}
