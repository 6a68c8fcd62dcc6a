import { type FormEvent, useState } from "react";
import { asProblem, explain } from "@/api/problem";
import type { HubVariable } from "@/api/schema.gen";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { SecretInput } from "@/components/ui/secret-field";
import { useMessages } from "@/i18n";
import { variablesTexts } from "@/i18n/variables";
import { useVariableCommands } from "./commands";
import { isHubName } from "./model";

const FORM = "hub-variable";

/** Takes a value for a hub variable; without one, for a new one. */
export function SetHubVariable({ variable, onClose }: { variable: HubVariable | null; onClose: () => void }) {
  const m = useMessages(variablesTexts);
  const { set } = useVariableCommands();
  const [typedName, setName] = useState("");
  const [value, setValue] = useState("");
  const name = variable?.name ?? typedName.trim();
  const ready = isHubName(name) && value.trim() !== "";
  const problem = set.error ? asProblem(set.error) : null;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready && !set.isPending) set.mutate({ name, value }, { onSuccess: onClose });
  };
  const readers = variable?.usedBy ?? [];
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && onClose()}
      title={variable ? m.variables.setTitle(variable.name) : m.variables.hubNew}
      description={
        variable
          ? readers.length > 0
            ? m.variables.setText(readers.join(", "))
            : m.variables.setUnread
          : undefined
      }
      actions={
        <>
          <Button size="md" onClick={onClose}>
            {m.common.cancel}
          </Button>
          <Button type="submit" form={FORM} size="md" tone="primary" busy={set.isPending} disabled={!ready}>
            {m.common.save}
          </Button>
        </>
      }
    >
      <form id={FORM} onSubmit={submit} className="flex flex-col gap-3">
        {variable ? null : (
          <Field
            label={m.variables.hubName}
            hint={m.variables.hubNameHint}
            error={typedName !== "" && !isHubName(name) ? m.variables.hubNameWrong : undefined}
          >
            {(parts) => (
              <Input
                {...parts}
                autoFocus
                autoComplete="off"
                spellCheck={false}
                placeholder="HUB_"
                className="font-mono"
                value={typedName}
                onChange={(event) => setName(event.target.value)}
              />
            )}
          </Field>
        )}
        <Field
          label={m.variables.hubValue}
          error={problem ? (problem.field("/value", m) ?? explain(problem, m)) : undefined}
        >
          {(parts) => (
            <SecretInput
              {...parts}
              autoFocus={variable !== null}
              value={value}
              onChange={(event) => {
                set.reset();
                setValue(event.target.value);
              }}
            />
          )}
        </Field>
      </form>
    </Dialog>
  );
}

export function RemoveHubVariable({ variable, onClose }: { variable: HubVariable; onClose: () => void }) {
  const m = useMessages(variablesTexts);
  const { remove } = useVariableCommands();
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && onClose()}
      title={m.variables.removeTitle(variable.name)}
      text={variable.inEnvironment ? m.variables.removeTextEnvironment : m.variables.removeText}
      action={m.variables.remove}
      name={variable.name}
      busy={remove.isPending}
      error={remove.error ? explain(remove.error, m) : undefined}
      onConfirm={() => remove.mutate(variable.name, { onSuccess: onClose })}
    />
  );
}
