import { Loader2 } from "lucide-react";
import type { ReactNode } from "react";
import { explain as explainProblem } from "@/api/problem";
import type { Impact, SettingsSaved } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Rehearsal } from "@/components/rehearsal";
import { Badge } from "@/components/ui/badge";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import { rich } from "@/i18n/rich";
import { type Finding, shownDifferences } from "./model";
import { ChangeList, FindingList } from "./said";
import type { Draft } from "./use-draft";

interface RecordPanelProps {
  draft: Draft;
  explain: (finding: Finding) => string;
  onShow: (at: number) => void;
}

/** What a save would record and whom it touches: the hub's own answer to the text as it is. */
export function RecordPanel({ draft, explain, onShow }: RecordPanelProps) {
  const m = useMessages(configTexts);
  const format = useFormat();
  const { preview, findings, refusal } = draft;
  const secret = new Set(
    findings.filter(({ code }) => code === "literal_secret").map(({ pointer }) => pointer),
  );
  const other = refusal && refusal.code !== "settings_invalid" && refusal.code !== "version_mismatch";
  return (
    <aside aria-label={m.config.willRecord} className="flex flex-col gap-3">
      <h2 className="flex items-center gap-2 font-semibold">
        {m.config.willRecord}
        {preview ? <Badge tone="accent">{format.number(preview.changes.length)}</Badge> : null}
        {draft.checking ? (
          <Loader2 className="size-3.5 animate-spin text-ink-3" aria-label={m.config.checking} />
        ) : null}
      </h2>
      {draft.dirty ? null : <p className="text-ink-3">{m.config.nothingTyped}</p>}
      {other ? <Notice tone="bad">{explainProblem(refusal, m)}</Notice> : null}
      {preview ? <Recorded saved={preview} draft={draft} secret={secret} /> : null}
      {findings.length > 0 ? (
        <Part title={m.config.problems}>
          <FindingList findings={findings} explain={explain} onShow={onShow} />
        </Part>
      ) : null}
    </aside>
  );
}

function Recorded({ saved, draft, secret }: { saved: SettingsSaved; draft: Draft; secret: Set<string> }) {
  const m = useMessages(configTexts);
  if (saved.changes.length === 0) return <p className="text-ink-2">{m.config.sameDocument}</p>;
  return (
    <>
      <ChangeList
        changes={saved.changes}
        fieldsOf={(server) => shownDifferences(draft.committed, draft.tree, server, secret)}
      />
      <ImpactPart impact={saved.impact} />
      <Rehearsal change={{ settings: { text: draft.text } }} />
    </>
  );
}

/** Whom a save touches. */
export function ImpactPart({ impact }: { impact: Impact }) {
  const m = useMessages(configTexts);
  const format = useFormat();
  const missing = impact.missing.filter(({ users }) => users > 0);
  if (impact.reconnecting.length === 0 && missing.length === 0) {
    return <Part title={m.config.impact}>{m.config.noImpact}</Part>;
  }
  return (
    <Part title={m.config.impact}>
      <ul className="flex flex-col gap-1">
        {impact.reconnecting.map(({ server, runtimes }) => (
          <li key={server}>{rich(m.config.reconnects(server, format.number(runtimes)))}</li>
        ))}
        {missing.map(({ server, name, users }) => (
          <li key={`${server} ${name}`}>{rich(m.config.misses(server, name, format.number(users)))}</li>
        ))}
      </ul>
    </Part>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section>
      <h3 className="mb-1 font-medium text-2xs text-ink-3">{title}</h3>
      {children}
    </section>
  );
}
