import { CircleAlert, Pencil, Plus, TriangleAlert, X } from "lucide-react";
import { useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import { serversTexts } from "@/i18n/servers";
import { cn } from "@/lib/cn";
import type { OutlineRow } from "./model";

const DOTS: Record<string, string> = {
  connected: "bg-ok",
  connecting: "bg-accent",
  error: "bg-bad",
  needs_setup: "bg-warn",
};

interface OutlineProps {
  rows: OutlineRow[];
  chosen: string;
  onChoose: (row: OutlineRow) => void;
}

/** The servers of the document: how they do now, and what became of them here. */
export function Outline({ rows, chosen, onChoose }: OutlineProps) {
  const m = useMessages(configTexts, serversTexts);
  return (
    <nav aria-label={m.config.outline} className="scroll-thin flex flex-col gap-px overflow-y-auto">
      {rows.map((row) => (
        <button
          key={`${row.name} ${row.mark}`}
          type="button"
          disabled={row.at === null}
          aria-current={row.name === chosen || undefined}
          onClick={() => onChoose(row)}
          className={cn(
            "flex h-7 shrink-0 items-center gap-2 rounded px-2 text-left font-mono text-xs hover:bg-raised",
            row.name === chosen && "bg-accent-soft text-accent",
            row.mark === "removed" && "text-ink-3 line-through",
          )}
        >
          <span
            className={cn("size-1.5 shrink-0 rounded-full", DOTS[row.status ?? ""] ?? "bg-line-strong")}
            title={row.status ? m.servers.statuses[row.status] : undefined}
          />
          <span className="sr-only">{row.status ? m.servers.statuses[row.status] : ""}</span>
          <span className="min-w-0 flex-1 truncate">{row.name}</span>
          <RowMark row={row} />
        </button>
      ))}
      {rows.length === 0 ? <p className="px-2 text-ink-3 text-sm">{m.config.noServers}</p> : null}
    </nav>
  );
}

function RowMark({ row }: { row: OutlineRow }) {
  const m = useMessages(configTexts);
  if (row.errors > 0)
    return <CircleAlert className="size-3.5 text-bad" aria-label={m.config.severities.error} />;
  if (row.warnings > 0) {
    return <TriangleAlert className="size-3.5 text-warn-text" aria-label={m.config.severities.warning} />;
  }
  if (row.mark === "added") return <Plus className="size-3.5 text-ok" aria-label={m.config.marks.added} />;
  if (row.mark === "changed")
    return <Pencil className="size-3 text-accent" aria-label={m.config.marks.changed} />;
  if (row.mark === "removed") return <X className="size-3.5 text-bad" aria-label={m.config.marks.removed} />;
  return null;
}
