import { useMutation } from "@tanstack/react-query";
import { Link, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useEffect, useState } from "react";
import { client } from "@/api/client";
import { data } from "@/api/data";
import { explain, Problem } from "@/api/problem";
import type { SignedIn } from "@/api/schema.gen";
import { EmptyState } from "@/components/states";
import { Button, buttonLook } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { rich } from "@/i18n/rich";
import { signInTexts } from "@/i18n/sign-in";
import { SignInFrame } from "./frame";
import { LEAST_PASSWORD } from "./model";
import { useEnter } from "./use-enter";

/** The token behind `#`, taken out of the address at once: it stands in no history and in no request but its own. */
function useLinkToken(): string {
  const [token] = useState(() => decodeURIComponent(window.location.hash.slice(1)));
  const navigate = useNavigate();
  useEffect(() => {
    if (token) void navigate({ to: ".", hash: "", replace: true });
  }, [token, navigate]);
  return token;
}

export function SetUpPage() {
  const m = useMessages(signInTexts);
  const token = useLinkToken();
  return (
    <SignInFrame title={m.signIn.setupTitle} text={m.signIn.setupText}>
      {token ? (
        <PasswordForm
          withName
          action={m.signIn.setupSubmit}
          send={(username, password) =>
            data(client.POST("/api/setup", { body: { token, username, password } }))
          }
        />
      ) : (
        <LinkMissing text={m.signIn.setupLinkMissing} />
      )}
    </SignInFrame>
  );
}

export function InvitePage() {
  const m = useMessages(signInTexts);
  const token = useLinkToken();
  return (
    <SignInFrame title={m.signIn.inviteTitle} text={m.signIn.inviteText}>
      {token ? (
        <PasswordForm
          action={m.signIn.inviteSubmit}
          send={(_, password) =>
            data(client.POST("/api/auth/accept-invitation", { body: { token, password } }))
          }
        />
      ) : (
        <LinkMissing text={m.signIn.inviteLinkMissing} />
      )}
    </SignInFrame>
  );
}

function LinkMissing({ text }: { text: string }) {
  const m = useMessages(signInTexts);
  return (
    <EmptyState
      className="px-0 py-2"
      title={m.signIn.linkMissing}
      action={
        <Link to="/login" className={buttonLook({ size: "md" })}>
          {m.signIn.toSignIn}
        </Link>
      }
    >
      {text}
    </EmptyState>
  );
}

interface PasswordFormProps {
  withName?: boolean;
  action: string;
  send: (username: string, password: string) => Promise<SignedIn>;
}

function PasswordForm({ withName = false, action, send }: PasswordFormProps) {
  const m = useMessages(signInTexts);
  const enter = useEnter();
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const differ = again !== "" && again !== password;
  const save = useMutation({
    mutationFn: () => send(username, password),
    onSuccess: ({ user }) => enter(user),
  });
  const code = save.error instanceof Problem ? save.error.code : "";
  const text = save.error ? explain(save.error, m) : undefined;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (password === again) save.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      {text && code !== "weak_password" && code !== "invalid_username" ? (
        <Notice tone="bad" announce>
          {rich(text)}
        </Notice>
      ) : null}
      {withName ? (
        <Field label={m.signIn.username} error={code === "invalid_username" ? text : undefined}>
          {(parts) => (
            <Input
              {...parts}
              name="username"
              autoComplete="username"
              autoCapitalize="none"
              spellCheck={false}
              maxLength={64}
              required
              autoFocus
              value={username}
              onChange={(event) => setUsername(event.target.value)}
            />
          )}
        </Field>
      ) : null}
      <Field
        label={m.signIn.newPassword}
        hint={m.signIn.newPasswordHint}
        error={code === "weak_password" ? text : undefined}
      >
        {(parts) => (
          <Input
            {...parts}
            name="password"
            type="password"
            autoComplete="new-password"
            minLength={LEAST_PASSWORD}
            maxLength={1024}
            required
            autoFocus={!withName}
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        )}
      </Field>
      <Field label={m.signIn.again} error={differ ? m.signIn.differ : undefined}>
        {(parts) => (
          <Input
            {...parts}
            name="again"
            type="password"
            autoComplete="new-password"
            required
            value={again}
            onChange={(event) => setAgain(event.target.value)}
          />
        )}
      </Field>
      <Button
        type="submit"
        tone="primary"
        size="md"
        className="mt-1 h-9"
        busy={save.isPending}
        disabled={again === "" || differ}
      >
        {action}
      </Button>
    </form>
  );
}
