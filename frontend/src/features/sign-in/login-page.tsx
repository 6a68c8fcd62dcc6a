import { useMutation, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { type FormEvent, useRef, useState } from "react";
import { client } from "@/api/client";
import { data } from "@/api/data";
import { explain, Problem } from "@/api/problem";
import { safeNext } from "@/app/session";
import { Loaded } from "@/components/states";
import { Button, buttonLook } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { rich } from "@/i18n/rich";
import { signInTexts } from "@/i18n/sign-in";
import { SignInFrame } from "./frame";
import { providerLink, providerName, waits } from "./model";
import { loginConfigQuery } from "./queries";
import { useEnter } from "./use-enter";

const route = getRouteApi("/login");

export function LoginPage() {
  const m = useMessages(signInTexts);
  const config = useQuery(loginConfigQuery);
  const { next } = route.useSearch();
  return (
    <SignInFrame title="MCPHub" text={m.signIn.subtitle}>
      <Loaded query={config} skeleton={<div className="skeleton h-40" />}>
        {({ providers, localLogin, setupNeeded }) => (
          <div className="flex flex-col gap-4">
            {setupNeeded ? <Notice>{rich(m.signIn.setupNeeded)}</Notice> : null}
            {providers.map((provider) => (
              <a
                key={provider}
                href={providerLink(provider, safeNext(next))}
                className={buttonLook({ tone: "plain", size: "md", className: "h-9" })}
              >
                {m.signIn.continueWith(providerName(provider))}
              </a>
            ))}
            {providers.length > 0 && localLogin ? (
              <div className="flex items-center gap-3 text-ink-3 text-xs before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">
                {m.signIn.or}
              </div>
            ) : null}
            {localLogin ? <LocalForm next={next} main={providers.length === 0} /> : null}
          </div>
        )}
      </Loaded>
    </SignInFrame>
  );
}

function LocalForm({ next, main }: { next: string | undefined; main: boolean }) {
  const m = useMessages(signInTexts);
  const enter = useEnter();
  const navigate = useNavigate();
  const password = useRef<HTMLInputElement>(null);
  const [username, setUsername] = useState("");
  const [typed, setTyped] = useState("");
  const signIn = useMutation({
    mutationFn: () => data(client.POST("/api/auth/login", { body: { username, password: typed } })),
    onSuccess: ({ user }) => enter(user, next),
    onError: (error) => {
      if (error instanceof Problem && waits(error.code)) {
        void navigate({ to: "/auth/error", search: { code: error.code } });
      }
      setTyped("");
      password.current?.focus();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    signIn.mutate();
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-3">
      {signIn.error ? (
        <Notice tone="bad" announce>
          {explain(signIn.error, m)}
        </Notice>
      ) : null}
      <Field label={m.signIn.username}>
        {(parts) => (
          <Input
            {...parts}
            name="username"
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            required
            autoFocus={main}
            value={username}
            onChange={(event) => setUsername(event.target.value)}
          />
        )}
      </Field>
      <Field label={m.signIn.password}>
        {(parts) => (
          <Input
            {...parts}
            ref={password}
            name="password"
            type="password"
            autoComplete="current-password"
            required
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        )}
      </Field>
      <Button
        type="submit"
        tone={main ? "primary" : "plain"}
        size="md"
        className="mt-1 h-9"
        busy={signIn.isPending}
      >
        {m.signIn.submit}
      </Button>
    </form>
  );
}
