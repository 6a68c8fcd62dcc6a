import type { ChangedField } from "@/api/schema.gen";
import { useMessages } from "@/i18n";
import { pastTexts } from "@/i18n/past";
import { cn } from "@/lib/cn";

/** Fields before and after, one under the other; a secret says only that it changed. */
export function FieldChanges({ fields }: { fields: ChangedField[] }) {
  const m = useMessages(pastTexts);
  return (
    <table className="w-full table-fixed border-separate border-spacing-0 overflow-hidden rounded-md border border-line text-xs">
      <colgroup>
        <col className="w-36" />
        <col />
      </colgroup>
      <thead className="sr-only">
        <tr>
          <th scope="col">{m.past.field}</th>
          <th scope="col">
            {m.past.before}, {m.past.after}
          </th>
        </tr>
      </thead>
      <tbody>
        {fields.map(({ field, before, after, hidden }, at) => (
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
                <p className="px-2.5 py-1.5 font-sans text-ink-3">{m.past.hiddenChange}</p>
              ) : (
                <>
                  {before === undefined ? null : <Side sign="−" label={m.past.before} value={before} gone />}
                  {after === undefined ? null : <Side sign="+" label={m.past.after} value={after} />}
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
