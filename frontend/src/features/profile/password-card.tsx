import { type FormEvent, useState } from "react";
import { asProblem, explain } from "@/api/problem";
import { useMe } from "@/app/session";
import { Button } from "@/components/ui/button";
import { Card, CardHead } from "@/components/ui/card";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { useMessages } from "@/i18n";
import { profileTexts } from "@/i18n/profile";
import { useProfileCommands } from "./commands";
import { type PasswordDraft, passwordProblem } from "./model";

const EMPTY: PasswordDraft = { current: "", fresh: "", again: "" };

/** For accounts whose password is the hub's; others are told where theirs is. */
export function PasswordCard() {
  const m = useMessages(profileTexts);
  const { provider, username } = useMe();
  const { password } = useProfileCommands();
  const [draft, setDraft] = useState(EMPTY);
  if (provider !== "local") {
    const name = provider in m.profile.providers ? m.profile.providers[provider as "github"] : provider;
    return (
      <Card aria-label={m.profile.password}>
        <CardHead title={m.profile.password} />
        <p className="px-3.5 pb-3 text-ink-2">{m.profile.passwordElsewhere(name)}</p>
      </Card>
    );
  }
  const put = (over: Partial<PasswordDraft>) => {
    password.reset();
    setDraft((before) => ({ ...before, ...over }));
  };
  const problem = password.error ? asProblem(password.error) : null;
  const wrong = problem?.code === "invalid_credentials";
  const weak = problem?.code === "weak_password";
  const inWay = passwordProblem(draft);
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (inWay !== null || password.isPending) return;
    password.mutate(
      { currentPassword: draft.current, newPassword: draft.fresh },
      { onSuccess: () => setDraft(EMPTY) },
    );
  };
  const field = (name: keyof PasswordDraft, autoComplete: string) => ({
    type: "password",
    autoComplete,
    value: draft[name],
    onChange: (event: { target: { value: string } }) => put({ [name]: event.target.value }),
  });
  return (
    <Card aria-label={m.profile.password}>
      <CardHead title={m.profile.password} />
      <form onSubmit={send} className="flex flex-col gap-3 border-line border-t px-3.5 py-3">
        {/* So that a browser knows whose password it is to keep. */}
        <input type="text" autoComplete="username" value={username} readOnly hidden />
        <div className="grid items-start gap-3 md:grid-cols-3">
          <Field label={m.profile.passwordCurrent} error={wrong ? m.profile.passwordWrong : undefined}>
            {(parts) => <Input {...parts} {...field("current", "current-password")} />}
          </Field>
          <Field
            label={m.profile.passwordNew}
            hint={m.profile.passwordRule}
            error={weak ? explain(problem, m) : undefined}
          >
            {(parts) => <Input {...parts} {...field("fresh", "new-password")} />}
          </Field>
          <Field
            label={m.profile.passwordAgain}
            error={inWay === "differs" && draft.again !== "" ? m.profile.passwordDiffers : undefined}
          >
            {(parts) => <Input {...parts} {...field("again", "new-password")} />}
          </Field>
        </div>
        {problem && !wrong && !weak ? (
          <p role="alert" className="text-bad text-sm">
            {explain(problem, m)}
          </p>
        ) : null}
        <div className="flex flex-wrap items-center justify-between gap-2">
          <p className="text-ink-3 text-xs">{m.profile.passwordText}</p>
          <Button type="submit" size="md" tone="primary" busy={password.isPending} disabled={inWay !== null}>
            {m.profile.passwordChange}
          </Button>
        </div>
      </form>
    </Card>
  );
}
