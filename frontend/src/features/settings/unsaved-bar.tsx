import { asProblem, explain } from "@/api/problem";
import { useFormat } from "@/app/look";
import { Kbd } from "@/components/kbd";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { settingsTexts } from "@/i18n/settings";
import type { useSettingsCommands } from "./commands";
import { changes, type Draft } from "./model";

interface UnsavedBarProps {
  draft: Draft;
  save: ReturnType<typeof useSettingsCommands>["save"];
  onRevert: () => void;
}

/** At the foot of the page while something is not saved. */
export function UnsavedBar({ draft, save, onRevert }: UnsavedBarProps) {
  const m = useMessages(settingsTexts);
  const format = useFormat();
  const names = changes(draft);
  return (
    <section
      aria-label={m.settings.states.unsaved}
      className="fixed inset-x-0 bottom-0 z-20 border-line border-t bg-surface px-4.5 py-2 lg:left-[216px]"
    >
      {save.error ? (
        <Notice tone="bad" announce className="mb-2">
          {explain(save.error, m)} <code className="text-xs">{asProblem(save.error).requestId}</code>
        </Notice>
      ) : null}
      <div className="flex items-center gap-3">
        <span className="size-2 shrink-0 rounded-full bg-warn" aria-hidden />
        <p className="min-w-0 flex-1 truncate">
          {m.settings.unsaved(format.number(names.length))}{" "}
          <span className="font-mono text-ink-3 text-xs max-sm:hidden">{names.join(" ")}</span>
        </p>
        <Button tone="ghost" size="md" onClick={onRevert}>
          {m.common.revert}
        </Button>
        <Button tone="primary" size="md" busy={save.isPending} onClick={() => save.mutate(draft)}>
          {m.common.save}
          <span aria-hidden>
            <Kbd keys="mod+s" className="border-transparent bg-transparent text-accent-ink max-sm:hidden" />
          </span>
        </Button>
      </div>
    </section>
  );
}
