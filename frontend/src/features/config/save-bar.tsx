import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { asProblem, explain } from "@/api/problem";
import { useFormat } from "@/app/look";
import { Kbd } from "@/components/kbd";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Notice } from "@/components/ui/notice";
import { type MessagesWith, useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import { rich } from "@/i18n/rich";
import { settingsTexts } from "@/i18n/settings";
import { useShortcut } from "@/lib/shortcuts";
import { useConfigCommands } from "./commands";
import { removedBy } from "./model";
import { fileQuery } from "./queries";
import type { Draft } from "./use-draft";

/** At the foot while something is not saved. The preview is the confirmation, except where a server goes. */
export function SaveBar({ draft }: { draft: Draft }) {
  const m = useMessages(configTexts, settingsTexts);
  const format = useFormat();
  const queries = useQueryClient();
  const { save } = useConfigCommands();
  const [asking, setAsking] = useState(false);
  const errors = draft.findings.filter(({ severity }) => severity === "error").length;
  const removed = draft.preview ? removedBy(draft.preview) : [];
  const count = draft.preview?.changes.length ?? 0;
  const why = blocked(draft, errors, count, m);

  const send = () =>
    save.mutate(
      { text: draft.text, version: draft.seen.version },
      {
        onSuccess: () => {
          setAsking(false);
          draft.revert();
        },
        onError: (error) => {
          setAsking(false);
          // Somebody was faster: their version is what the page compares with now.
          if (asProblem(error).code === "version_mismatch") {
            void queries.invalidateQueries({ queryKey: fileQuery.queryKey });
          }
        },
      },
    );
  const press = () => (removed.length > 0 ? setAsking(true) : send());
  useShortcut("mod+s", () => draft.dirty && why === "" && !save.isPending && press());
  if (!draft.dirty) return null;
  return (
    <section
      aria-label={m.settings.states.unsaved}
      className="pt-2.5 max-lg:sticky max-lg:bottom-0 max-lg:z-20 max-lg:-mx-4.5 max-lg:border-line max-lg:border-t max-lg:bg-surface max-lg:px-4.5 max-lg:pb-2.5"
    >
      {save.error && !draft.newer ? (
        <Notice tone="bad" announce className="mb-2">
          {explain(save.error, m)} <code className="text-xs">{asProblem(save.error).requestId}</code>
        </Notice>
      ) : null}
      <div className="flex flex-wrap items-center gap-3">
        <span className="size-2 shrink-0 rounded-full bg-warn" aria-hidden />
        <p className="min-w-0 flex-1 text-ink-2" role="status">
          {why || m.config.willSave(format.number(count))}
        </p>
        <Button tone="ghost" size="md" onClick={draft.revert}>
          {m.common.revert}
        </Button>
        <Button tone="primary" size="md" disabled={why !== ""} busy={save.isPending} onClick={press}>
          {m.common.save}
          <span aria-hidden>
            <Kbd keys="mod+s" className="border-transparent bg-transparent text-accent-ink max-sm:hidden" />
          </span>
        </Button>
      </div>
      <Confirm
        open={asking}
        onOpenChange={setAsking}
        title={m.config.removeTitle(format.number(removed.length))}
        text={rich(m.config.removeText(removed.join(", ")))}
        action={m.config.removeAction}
        name={removed.join(", ")}
        busy={save.isPending}
        onConfirm={send}
      />
    </section>
  );
}

/** Why it cannot be saved as it is; '' when it can. */
function blocked(draft: Draft, errors: number, count: number, m: MessagesWith<typeof configTexts>): string {
  if (draft.newer) return m.config.blocked.newer;
  if (errors > 0) return m.config.blocked.errors(String(errors));
  if (draft.checking) return m.config.blocked.checking;
  if (!draft.preview) return m.config.blocked.refused;
  return count === 0 ? m.config.blocked.same : "";
}
