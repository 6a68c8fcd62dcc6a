import type { KeyboardEvent, ReactNode } from "react";
import type { SettingsVersion } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Time } from "@/components/time";
import { useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import { rich } from "@/i18n/rich";
import { cn } from "@/lib/cn";
import { useShortcut } from "@/lib/shortcuts";
import { SILENT } from "./model";
import { useSentence } from "./said";

const MOST_SENTENCES = 3;

interface VersionListProps {
  rows: SettingsVersion[];
  chosen: number;
  onChoose: (version: number) => void;
  more: ReactNode;
}

/** Versions, newest first; arrows, j and k go from one to the next. */
export function VersionList({ rows, chosen, onChoose, more }: VersionListProps) {
  const m = useMessages(configTexts);
  const step = (by: number) => {
    const next = rows[rows.findIndex(({ version }) => version === chosen) + by];
    if (next) onChoose(next.version);
  };
  useShortcut("j", () => step(1));
  useShortcut("k", () => step(-1));
  const keys = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    step(by);
    const next = event.currentTarget.querySelectorAll<HTMLButtonElement>("button[data-version]");
    next[rows.findIndex(({ version }) => version === chosen) + by]?.focus();
  };
  return (
    <nav
      aria-label={m.config.versions}
      onKeyDown={keys}
      className="scroll-thin flex min-h-0 flex-col overflow-y-auto rounded-lg border border-line bg-surface max-lg:max-h-80"
    >
      {rows.map((row) => (
        <Row
          key={row.version}
          row={row}
          chosen={row.version === chosen}
          onChoose={() => onChoose(row.version)}
        />
      ))}
      {more ? <div className="p-2 text-center">{more}</div> : null}
    </nav>
  );
}

function Row({ row, chosen, onChoose }: { row: SettingsVersion; chosen: boolean; onChoose: () => void }) {
  const m = useMessages(configTexts);
  const format = useFormat();
  const sentence = useSentence();
  const said = row.changes.filter(({ type }) => !SILENT.has(type));
  const silent = row.changes.length - said.length;
  const left = row.facts - silent - Math.min(said.length, MOST_SENTENCES);
  return (
    <div
      className={cn(
        "relative border-line border-b px-3 py-2 last:border-b-0 hover:bg-raised",
        chosen && "bg-accent-soft hover:bg-accent-soft",
      )}
    >
      <div className="flex items-baseline gap-2">
        <button
          type="button"
          data-version={row.version}
          aria-current={chosen || undefined}
          onClick={onChoose}
          // The whole row takes the press; what is in it stays text.
          className="font-mono font-semibold text-xs after:absolute after:inset-0"
        >
          #{format.number(row.version)}
        </button>
        <span className="min-w-0 truncate text-ink-2 text-xs" data-name>
          {row.actorName}
        </span>
        {row.command === "RestoreSettings" ? (
          <span className="text-ink-3 text-xs">{m.config.byRestore}</span>
        ) : null}
        <span className="relative ml-auto text-ink-3 text-xs">
          <Time at={row.at} />
        </span>
      </div>
      <ul className="mt-0.5 text-sm">
        {said.slice(0, MOST_SENTENCES).map((change) => (
          <li key={`${change.type} ${change.server} ${change.summary}`} className="truncate">
            {rich(sentence(change))}
          </li>
        ))}
        {said.length === 0 ? <li className="text-ink-2">{m.config.orderOnly}</li> : null}
        {left > 0 ? <li className="text-ink-3 text-xs">{m.config.moreFacts(format.number(left))}</li> : null}
      </ul>
    </div>
  );
}
