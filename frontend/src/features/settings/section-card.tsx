import { useQuery, useQueryClient } from "@tanstack/react-query";
import { ChevronDown, Unplug } from "lucide-react";
import { type ClipboardEvent, type Dispatch, type SetStateAction, useState } from "react";
import { toast } from "sonner";
import { asProblem } from "@/api/problem";
import type { ConnectionTest } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { settingsTexts } from "@/i18n/settings";
import { cn } from "@/lib/cn";
import type { useSettingsCommands } from "./commands";
import { isFolded, keepFolded } from "./folded";
import { type Draft, type FieldView, pasted, type Section, typed, untyped } from "./model";
import { testQuery } from "./queries";
import { StateText, useSectionState } from "./section-state";
import { ValueField } from "./value-field";

interface SectionCardProps {
  section: Section;
  draft: Draft;
  onDraft: Dispatch<SetStateAction<Draft>>;
  commands: ReturnType<typeof useSettingsCommands>;
}

export function SectionCard({ section, draft, onDraft, commands: { save, test, share } }: SectionCardProps) {
  const m = useMessages(settingsTexts);
  const format = useFormat();
  const queries = useQueryClient();
  const state = useSectionState(section, draft);
  const { data: result } = useQuery(testQuery(section.server));
  const [folded, setFolded] = useState(() => isFolded(section.server));
  const testing = test.isPending && test.variables.server === section.server;
  const { server, slug } = section;

  const fold = () => {
    keepFolded(server, !folded);
    setFolded(!folded);
  };
  const change = (field: FieldView, text: string | null | undefined) => {
    queries.setQueryData(testQuery(server).queryKey, null); // it was of other values
    onDraft((before) =>
      text === undefined ? untyped(before, server, field.slot.name) : typed(before, server, field, text),
    );
  };
  const onPaste = (event: ClipboardEvent) => {
    const found = Object.entries(pasted(event.clipboardData.getData("text"), section));
    if (found.length === 0) return;
    event.preventDefault();
    for (const [name, text] of found) {
      const field = section.fields.find(({ slot }) => slot.name === name);
      if (field) change(field, text);
    }
    toast.success(m.settings.pastedMany(format.number(found.length)));
  };

  return (
    <Card id={slug} aria-labelledby={`${slug}-title`} className="scroll-mt-3" onPaste={onPaste}>
      <div className="flex min-h-10.5 items-center gap-2 px-2 py-1.5 pr-3.5">
        <button
          type="button"
          onClick={fold}
          aria-expanded={!folded}
          aria-controls={`${slug}-fields`}
          className="flex min-w-0 items-center gap-2 rounded px-1"
        >
          <ChevronDown className={cn("size-4 shrink-0 text-ink-3", folded && "-rotate-90")} aria-hidden />
          <h2 id={`${slug}-title`} className="truncate font-semibold text-lg tracking-tight">
            {server}
          </h2>
        </button>
        <span className="font-mono text-ink-3 text-xs max-sm:hidden">{section.type}</span>
        <StateText state={state} className="ml-auto" />
        <Button
          busy={testing}
          disabled={!section.enabled}
          aria-label={`${m.settings.test}: ${server}`}
          onClick={() => test.mutate({ server, draft })}
        >
          {testing ? null : <Unplug aria-hidden />}
          {testing ? m.settings.testing : m.settings.test}
        </Button>
      </div>
      <div id={`${slug}-fields`} hidden={folded} className="border-line border-t px-3.5 py-3">
        <div className="flex flex-col gap-3.5">
          {section.fields.map((field) => (
            <ValueField
              key={field.slot.name}
              server={server}
              field={field}
              typed={draft[server]?.[field.slot.name]}
              error={save.error ? asProblem(save.error).field(pointerOf(server, field), m) : undefined}
              onChange={(text) => change(field, text)}
              onShare={(to) => share.mutate({ name: field.slot.name, from: server, to })}
            />
          ))}
        </div>
        {result ? <TestResult result={result} /> : null}
      </div>
    </Card>
  );
}

/** Where the hub says that a value is wrong. */
function pointerOf(server: string, { slot }: FieldView): string {
  const escaped = (part: string) => part.replaceAll("~", "~0").replaceAll("/", "~1");
  return `/envVars/${escaped(server)}/${escaped(slot.name)}`;
}

function TestResult({ result }: { result: ConnectionTest }) {
  const m = useMessages(settingsTexts);
  const format = useFormat();
  return (
    <Notice tone={result.ok ? "ok" : "bad"} announce className="mt-3.5">
      {result.ok ? (
        m.settings.testOk(format.duration(result.durationMs), format.number(result.toolCount ?? 0))
      ) : (
        <>
          {m.settings.testFailed[result.step]} {result.error}
        </>
      )}
    </Notice>
  );
}
