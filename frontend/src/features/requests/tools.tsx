import { useMemo } from "react";
import { useFormat } from "@/app/look";
import { QueryBar } from "@/components/query-bar";
import { Button } from "@/components/ui/button";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { rangeOf } from "./address";
import { LiveChip } from "./live-chip";
import { filtersOf, KEYS, SPANS, type SpanName } from "./model";
import type { Change, RequestsSearch } from "./search";

interface ToolsProps {
  search: RequestsSearch;
  change: Change;
  all: boolean;
}

/** What narrows the page: conditions, the period, what it is compared with; and whether it follows. */
export function Tools({ search, change, all }: ToolsProps) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const { unknown } = useMemo(() => filtersOf(search.q ?? ""), [search.q]);
  const range = rangeOf(search);
  const chosen = "from" in range;
  const at = (date: Date) => `${format.day(date)} ${format.time(date)}`;
  return (
    <>
      <QueryBar
        value={search.q ?? ""}
        onApply={(q) => change({ q })}
        label={m.requests.findName}
        placeholder={m.requests.find}
        keys={KEYS.filter((key) => all || key !== "user").map((name) => ({
          name,
          hint: m.requests.keyHints[name],
        }))}
        keysLabel={m.requests.keys}
        removeLabel={m.requests.removeTerm}
        unused={unknown}
        unusedText={m.requests.notUnderstood}
      />
      {chosen ? (
        <span className="flex items-center gap-2 text-sm">
          <span className="sr-only">{m.requests.chosenSpan}</span>
          <span className="font-mono text-ink-2 text-xs">
            {at(range.from)} – {at(range.to)}
          </span>
          <Button size="md" onClick={() => change({ from: "", to: "" })}>
            {m.requests.backToLast}
          </Button>
        </span>
      ) : (
        <>
          <Segmented
            label={m.requests.span}
            value={range.span}
            onChange={(span) => change({ span })}
            options={(Object.keys(SPANS) as SpanName[]).map((value) => ({
              value,
              label: m.requests.spans[value],
            }))}
          />
          <LiveChip
            on={search.live !== "off"}
            onChange={(on) => change({ live: on ? "" : "off" }, { replace: true })}
          />
        </>
      )}
      <Button
        size="md"
        tone={search.compare ? "on" : "plain"}
        aria-pressed={search.compare === "on"}
        title={m.requests.compareHint}
        onClick={() => change({ compare: search.compare ? "" : "on" }, { replace: true })}
      >
        {m.requests.compare}
      </Button>
    </>
  );
}
