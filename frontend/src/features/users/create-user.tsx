import { type FormEvent, useState } from "react";
import { asProblem, explain } from "@/api/problem";
import type { MadeUser } from "@/api/schema.gen";
import { Button } from "@/components/ui/button";
import { Checkbox } from "@/components/ui/checkbox";
import { Dialog } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { rich } from "@/i18n/rich";
import { usersTexts } from "@/i18n/users";
import type { UserCommands } from "./commands";
import { InvitationLink } from "./invitation-link";

const FORM = "new-user";
const EMPTY = { username: "", displayName: "", email: "", isAdmin: false };
const TEXTS = ["username", "displayName", "email"] as const;

/** A local account, and the link by which its owner chooses a password. */
export function CreateUser({ commands: { make }, onDone }: { commands: UserCommands; onDone: () => void }) {
  const m = useMessages(usersTexts);
  const [typed, setTyped] = useState(EMPTY);
  const [made, setMade] = useState<MadeUser | null>(null);
  const problem = make.error ? asProblem(make.error) : null;
  const atName = problem && ["username_taken", "invalid_username"].includes(problem.code);
  const close = () => {
    make.reset();
    onDone();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate({ ...typed, username: typed.username.trim() }, { onSuccess: setMade });
  };
  if (made) {
    return (
      <Dialog
        open
        onOpenChange={(open) => !open && close()}
        title={m.users.madeTitle(made.user.username)}
        description={m.users.madeText}
        actions={
          <Button size="md" tone="primary" onClick={close}>
            {m.common.close}
          </Button>
        }
      >
        {made.invitationLink ? <InvitationLink link={made.invitationLink} /> : null}
        {made.namedBy?.length ? (
          <Notice tone="warn" className="mt-2.5">
            {rich(m.users.namedBy(made.namedBy.join(", ")))}
          </Notice>
        ) : null}
      </Dialog>
    );
  }
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && close()}
      title={m.users.createTitle}
      description={m.users.createText}
      actions={
        <>
          <Button size="md" onClick={close}>
            {m.common.cancel}
          </Button>
          <Button
            size="md"
            tone="primary"
            type="submit"
            form={FORM}
            busy={make.isPending}
            disabled={typed.username.trim() === ""}
          >
            {m.users.create}
          </Button>
        </>
      }
    >
      <form id={FORM} onSubmit={submit} className="flex flex-col gap-3">
        {problem && !atName ? (
          <Notice tone="bad" announce>
            {explain(problem, m)}
          </Notice>
        ) : null}
        {TEXTS.map((name) => (
          <Field
            key={name}
            label={m.users.fields[name]}
            hint={name === "username" ? m.users.usernameHint : undefined}
            error={name === "username" && atName ? explain(problem, m) : undefined}
          >
            {(parts) => (
              <Input
                {...parts}
                required={name === "username"}
                type={name === "email" ? "email" : "text"}
                autoComplete="off"
                spellCheck={false}
                maxLength={name === "username" ? 64 : 200}
                value={typed[name]}
                onChange={(event) => setTyped({ ...typed, [name]: event.target.value })}
              />
            )}
          </Field>
        ))}
        {/* biome-ignore lint/a11y/noLabelWithoutControl: the box inside is one */}
        <label className="flex items-center gap-2">
          <Checkbox
            checked={typed.isAdmin}
            onChange={(isAdmin) => setTyped({ ...typed, isAdmin })}
            label={m.users.asAdmin}
          />
          <span aria-hidden>{m.users.asAdmin}</span>
        </label>
      </form>
    </Dialog>
  );
}
