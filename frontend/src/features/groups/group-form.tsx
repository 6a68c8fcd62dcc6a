import { type FormEvent, useState } from "react";
import { asProblem, explain } from "@/api/problem";
import type { ServerView } from "@/api/schema.gen";
import { Button } from "@/components/ui/button";
import { MultiCombobox } from "@/components/ui/combobox";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { useMessages } from "@/i18n";
import { groupsTexts } from "@/i18n/groups";
import { useShortcut } from "@/lib/shortcuts";
import type { GroupDraft } from "./model";
import { MOST_DESCRIPTION, MOST_NAME } from "./queries";

interface GroupFormProps {
  first: GroupDraft;
  servers: ServerView[];
  action: string;
  busy: boolean;
  error: unknown;
  /** Whether a draft is worth sending; without it every one with a name is. */
  changed?: (draft: GroupDraft) => boolean;
  onSave: (draft: GroupDraft) => void;
  onCancel?: () => void;
  autoFocus?: boolean;
}

/** Name, description and servers of a group. */
export function GroupForm({
  first,
  servers,
  action,
  busy,
  error,
  changed = () => true,
  onSave,
  onCancel,
  autoFocus,
}: GroupFormProps) {
  const m = useMessages(groupsTexts);
  const [draft, setDraft] = useState(first);
  const put = (over: Partial<GroupDraft>) => setDraft((before) => ({ ...before, ...over }));
  const ready = draft.name.trim() !== "" && changed(draft) && !busy;
  const save = () => onSave({ ...draft, name: draft.name.trim(), description: draft.description.trim() });
  useShortcut("mod+s", () => ready && save());

  const known = new Set(servers.map(({ name }) => name));
  const options = [
    ...servers.map(({ name }) => ({ value: name, label: name })),
    ...first.servers
      .filter((name) => !known.has(name))
      .map((name) => ({ value: name, label: m.groups.gone(name) })),
  ];
  const problem = error ? asProblem(error) : null;
  const ofName = problem?.code === "group_name_taken" || problem?.code === "invalid_name";
  return (
    <form
      className="flex flex-col gap-3"
      onSubmit={(event: FormEvent) => {
        event.preventDefault();
        if (ready) save();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.defaultPrevented) onCancel?.();
      }}
    >
      <div className="grid gap-3 sm:grid-cols-[minmax(0,1fr)_minmax(0,1.6fr)]">
        <Field label={m.groups.name} error={problem && ofName ? explain(problem, m) : undefined}>
          {(parts) => (
            <Input
              {...parts}
              value={draft.name}
              maxLength={MOST_NAME}
              placeholder={m.groups.namePlaceholder}
              autoComplete="off"
              autoFocus={autoFocus}
              onChange={(event) => put({ name: event.target.value })}
            />
          )}
        </Field>
        <Field label={m.groups.description}>
          {(parts) => (
            <Input
              {...parts}
              value={draft.description}
              maxLength={MOST_DESCRIPTION}
              autoComplete="off"
              onChange={(event) => put({ description: event.target.value })}
            />
          )}
        </Field>
      </div>
      <Field label={m.groups.servers} hint={options.length === 0 ? m.groups.noChoices : undefined}>
        {({ id }) => (
          <MultiCombobox
            id={id}
            options={options}
            value={draft.servers}
            placeholder={m.groups.serversPlaceholder}
            onChange={(chosen) => put({ servers: chosen })}
          />
        )}
      </Field>
      {problem && !ofName ? (
        <p role="alert" className="text-bad text-sm">
          {explain(problem, m)}
        </p>
      ) : null}
      <div className="flex justify-end gap-2">
        {onCancel ? (
          <Button tone="ghost" size="md" onClick={onCancel}>
            {m.common.cancel}
          </Button>
        ) : null}
        <Button type="submit" tone="primary" size="md" busy={busy} disabled={!ready}>
          {action}
        </Button>
      </div>
    </form>
  );
}
