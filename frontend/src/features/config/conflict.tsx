import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import type { SettingsFile } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { Notice } from "@/components/ui/notice";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import { rich } from "@/i18n/rich";
import { treeOf } from "./json-tree";
import { type Conflict, merged, type Side } from "./merge";
import { newestQuery } from "./queries";
import type { Draft } from "./use-draft";

interface NewerProps {
  draft: Draft;
  theirs: SettingsFile;
}

/** Somebody saved another version while one typed: says so, and leads to both in one. */
export function NewerVersion({ draft, theirs }: NewerProps) {
  const m = useMessages(configTexts);
  const format = useFormat();
  const [open, setOpen] = useState(false);
  const newest = useQuery(newestQuery(theirs.version)).data?.[0];
  return (
    <Notice
      tone="warn"
      announce
      className="mb-2"
      end={
        <Button tone="primary" onClick={() => setOpen(true)}>
          {m.config.compareBoth}
        </Button>
      }
    >
      {rich(m.config.newer(newest?.actorName ?? "…", format.number(theirs.version)))}{" "}
      {newest ? <Time at={newest.at} /> : null}
      {open ? <ConflictDialog draft={draft} theirs={theirs} onClose={() => setOpen(false)} /> : null}
    </Notice>
  );
}

function ConflictDialog({ draft, theirs, onClose }: NewerProps & { onClose: () => void }) {
  const m = useMessages(configTexts);
  const format = useFormat();
  const [chosen, setChosen] = useState<Record<string, Side>>({});
  const both = useMemo(() => {
    const trees = [draft.seen.text, draft.text, theirs.text].map(treeOf);
    const [base, mine, other] = trees;
    return base && mine && other ? merged(base, mine, other) : null;
  }, [draft.seen.text, draft.text, theirs.text]);
  const open = both ? both.conflicts.filter(({ pointer }) => !chosen[pointer]).length : 0;
  return (
    <Dialog
      open
      onOpenChange={(wanted) => !wanted && onClose()}
      title={m.config.conflictTitle}
      description={rich(
        m.config.conflictText(format.number(draft.seen.version), format.number(theirs.version)),
      )}
      className="w-[min(62rem,calc(100vw-2rem))]"
      actions={
        <>
          <Button size="md" tone="ghost" onClick={onClose}>
            {m.common.cancel}
          </Button>
          <Button size="md" tone="danger" onClick={draft.revert}>
            {m.config.dropMine}
          </Button>
          <Button
            size="md"
            tone="primary"
            disabled={!both || open > 0}
            onClick={() => {
              if (both) draft.rebase(theirs, both.text(chosen));
              onClose();
            }}
          >
            {open > 0 ? m.config.chooseFirst(format.number(open)) : m.config.takeMerged}
          </Button>
        </>
      }
    >
      {both === null ? <Notice tone="bad">{m.config.noMergeOfBroken}</Notice> : null}
      {both?.conflicts.length === 0 ? <Notice tone="ok">{m.config.noConflict}</Notice> : null}
      <ul className="flex flex-col gap-3">
        {both?.conflicts.map((conflict) => (
          <Hunk
            key={conflict.pointer}
            conflict={conflict}
            side={chosen[conflict.pointer]}
            onChoose={(side) => setChosen((now) => ({ ...now, [conflict.pointer]: side }))}
          />
        ))}
      </ul>
    </Dialog>
  );
}

interface HunkProps {
  conflict: Conflict;
  side: Side | undefined;
  onChoose: (side: Side) => void;
}

function Hunk({ conflict, side, onChoose }: HunkProps) {
  const m = useMessages(configTexts);
  const columns = [
    ["base", conflict.base],
    ["mine", conflict.mine],
    ["theirs", conflict.theirs],
  ] as const;
  return (
    <li className="rounded-md border border-line">
      <div className="flex flex-wrap items-center justify-between gap-2 border-line border-b px-2.5 py-1.5">
        <code className="text-xs">{conflict.pointer || "/"}</code>
        <Segmented<Side | "">
          label={conflict.pointer}
          value={side ?? ""}
          onChange={(wanted) => wanted && onChoose(wanted)}
          options={[
            { value: "mine", label: m.config.keepMine },
            { value: "theirs", label: m.config.takeTheirs },
          ]}
        />
      </div>
      <div className="grid gap-px bg-line sm:grid-cols-3">
        {columns.map(([name, text]) => (
          <div key={name} className="min-w-0 bg-surface px-2.5 py-1.5">
            <p className="text-2xs text-ink-3">{m.config.sides[name]}</p>
            <pre className="max-h-40 overflow-auto whitespace-pre-wrap text-xs">
              {text ?? <span className="font-sans text-ink-3">{m.config.notThere}</span>}
            </pre>
          </div>
        ))}
      </div>
    </li>
  );
}
