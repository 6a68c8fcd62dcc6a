import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Logo } from "@/app/logo";
import { useLook } from "@/app/look";
import { Segmented } from "@/components/ui/segmented";
import { LANGUAGES, type Language, useMessages } from "@/i18n";
import { signInTexts } from "@/i18n/sign-in";
import { healthQuery } from "./queries";

const OPTIONS = Object.entries(LANGUAGES).map(([value, label]) => ({ value: value as Language, label }));

/** The card in the middle that stands in front of the hub. */
export function SignInFrame({
  title,
  text,
  children,
}: {
  title: ReactNode;
  text?: ReactNode;
  children: ReactNode;
}) {
  const m = useMessages(signInTexts);
  const { language, change } = useLook();
  const { data: health } = useQuery(healthQuery);
  return (
    <div className="flex min-h-dvh flex-col items-center bg-sunken px-4">
      <main className="my-auto w-full max-w-[22rem] py-8">
        <div className="mb-6 flex flex-col items-center gap-2 text-center">
          <Logo className="size-9" />
          <h1 className="font-semibold text-2xl tracking-tight">{title}</h1>
          {text ? <p className="text-ink-2">{text}</p> : null}
        </div>
        <div className="rounded-lg border border-line bg-surface p-5 shadow-pop">{children}</div>
      </main>
      <footer className="flex w-full max-w-[22rem] items-center justify-between gap-3 py-4 text-ink-3 text-xs">
        <Segmented
          label={m.shell.language}
          value={language}
          options={OPTIONS}
          onChange={(wanted) => change({ language: wanted })}
        />
        {health ? (
          <span>
            {m.signIn.version(health.version)} ·{" "}
            {health.status === "ok" ? m.signIn.healthy : m.signIn.draining}
          </span>
        ) : null}
      </footer>
    </div>
  );
}
