import { Activity } from "lucide-react";
import { EmptyState } from "@/components/states";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { isNarrowed } from "./address";
import type { Change, RequestsSearch } from "./search";

/** Why the list is empty, and the way out. */
export function NothingHere({ search, change }: { search: RequestsSearch; change: Change }) {
  const m = useMessages(requestsTexts);
  const narrowed = isNarrowed(search);
  const short = search.span !== "7d" || Boolean(search.from);
  return (
    <EmptyState
      icon={<Activity aria-hidden />}
      title={narrowed ? m.requests.nothingFits : m.requests.nothingYet}
      action={
        <div className="flex gap-2">
          {narrowed ? <Button onClick={() => change({ q: "" })}>{m.requests.clear}</Button> : null}
          {short ? (
            <Button onClick={() => change({ span: "7d", from: "", to: "" })}>{m.requests.widen}</Button>
          ) : null}
        </div>
      }
    >
      {narrowed ? m.requests.nothingFitsText : m.requests.nothingYetText}
    </EmptyState>
  );
}
