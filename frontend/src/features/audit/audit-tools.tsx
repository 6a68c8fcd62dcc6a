import { Pause, Radio } from "lucide-react";
import { useMemo } from "react";
import type { StreamState } from "@/api/stream";
import { useFormat } from "@/app/look";
import { QueryBar } from "@/components/query-bar";
import { Button } from "@/components/ui/button";
import { Segmented } from "@/components/ui/segmented";
import { Select } from "@/components/ui/select";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { askedOf, KEYS, positionIn, SPANS, type SpanName, VIEWS, type ViewName, windowOf } from "./model";
import type { AuditSearch, Change } from "./search";

interface ToolsProps {
  search: AuditSearch;
  change: Change;
}

/** What narrows the timeline: conditions, a view, the period. `#18427` leads to that event. */
export function AuditTools({ search, change }: ToolsProps) {
  const m = useMessages(auditTexts);
  const format = useFormat();
  const { q = "", view = "all", span = "24h" } = search;
  const { unknown } = useMemo(() => askedOf(q), [q]);
  const window = windowOf(search.from, search.to);
  const at = (date: Date) => `${format.day(date)} ${format.time(date).slice(0, 5)}`;
  const apply = (wanted: string) => {
    const position = positionIn(wanted);
    if (position === null) change({ q: wanted });
    else change({ e: String(position) });
  };
  return (
    <>
      <QueryBar
        value={q}
        onApply={apply}
        label={m.audit.findName}
        placeholder={m.audit.find}
        keys={[...KEYS.map((name) => ({ name, hint: m.audit.keyHints[name] }))]}
        keysLabel={m.audit.keys}
        removeLabel={m.audit.removeTerm}
        unused={unknown}
        unusedText={m.audit.notUnderstood}
        className="basis-full md:basis-72"
      />
      <Segmented
        label={m.audit.views}
        value={view}
        onChange={(wanted) => change({ view: wanted })}
        options={(Object.keys(VIEWS) as ViewName[]).map((value) => ({ value, label: m.audit.view[value] }))}
        className="max-w-full overflow-x-auto"
      />
      {window ? (
        <span className="flex items-center gap-2">
          <span className="font-mono text-ink-2 text-xs">
            {at(window.from)} – {at(window.to)}
          </span>
          <Button size="md" onClick={() => change({ from: "", to: "" })}>
            {m.audit.backToLast}
          </Button>
        </span>
      ) : (
        <Select
          label={m.audit.span}
          value={span}
          onChange={(wanted) => change({ span: wanted })}
          options={(Object.keys(SPANS) as SpanName[]).map((value) => ({
            value,
            label: m.audit.spans[value],
          }))}
          className="w-28"
        />
      )}
    </>
  );
}

interface LiveProps {
  live: boolean;
  state: StreamState | "paused";
  onChange: (live: boolean) => void;
}

/** Says whether the list follows what happens, and switches it. */
export function LiveChip({ live, state, onChange }: LiveProps) {
  const m = useMessages(auditTexts);
  const following = live && state !== "paused";
  const away = following && state !== "live";
  return (
    <Button
      size="md"
      tone={following && !away ? "on" : "plain"}
      aria-pressed={live}
      title={`${m.audit.liveToggle} (L)`}
      onClick={() => onChange(!live)}
    >
      {following ? <Radio aria-hidden /> : <Pause aria-hidden />}
      {away ? m.audit.reconnecting : following ? m.audit.live : m.audit.pausedLive}
    </Button>
  );
}
