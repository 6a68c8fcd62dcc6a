import { EmptyState } from "@/components/states";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import type { AuditSearch, Change } from "./search";

/** No row fits: what can be done about it. The conditions themselves stand above, each to be taken away. */
export function NothingHere({ search, change }: { search: AuditSearch; change: Change }) {
  const m = useMessages(auditTexts);
  const { q, view, span = "24h", from } = search;
  const narrowed = Boolean(q) || (view !== undefined && view !== "all");
  const wider = from || span === "1h" || span === "24h" ? "7d" : span === "all" ? null : "all";
  return (
    <EmptyState
      title={m.audit.nothing}
      action={
        <span className="flex flex-wrap justify-center gap-2">
          {wider ? (
            <Button tone="primary" onClick={() => change({ span: wider, from: "", to: "" })}>
              {wider === "7d" ? m.audit.widen : m.audit.everything}
            </Button>
          ) : null}
          {narrowed ? <Button onClick={() => change({ q: "", view: "all" })}>{m.audit.clear}</Button> : null}
        </span>
      }
    >
      {m.audit.nothingText}
    </EmptyState>
  );
}
