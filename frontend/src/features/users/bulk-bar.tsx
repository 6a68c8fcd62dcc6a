import { useState } from "react";
import { explain } from "@/api/problem";
import type { User } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useToast } from "@/app/use-toast";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { rich } from "@/i18n/rich";
import { usersTexts } from "@/i18n/users";
import type { UserCommands } from "./commands";
import { changed, outcome } from "./model";

interface BulkBarProps {
  users: User[];
  chosen: ReadonlySet<string>;
  onChosen: (chosen: ReadonlySet<string>) => void;
  commands: UserCommands;
}

/** What can be done with the chosen users, and what came of it for those it was not done to. */
export function BulkBar({ users, chosen, onChosen, commands: { setMany } }: BulkBarProps) {
  const m = useMessages(usersTexts);
  const format = useFormat();
  const toast = useToast();
  const [asking, setAsking] = useState(false);
  const [refused, setRefused] = useState<{ name: string; code: string }[]>([]);
  const waiting = changed(users, chosen, "activate");
  const active = changed(users, chosen, "deactivate");
  const run = (action: "activate" | "deactivate") =>
    setMany.mutate(
      { users: action === "activate" ? waiting : active, action },
      {
        onSuccess: ({ answers, position }) => {
          const came = outcome(answers, users);
          setRefused(came.refused);
          setAsking(false);
          onChosen(new Set());
          if (came.done > 0) {
            const said = action === "activate" ? m.users.manyActivated : m.users.manyDeactivated;
            toast.done(said(format.number(came.done)), { position });
          }
        },
        onError: (error) => {
          setAsking(false);
          toast.failed(error);
        },
      },
    );
  const codes = m.errors.codes;
  return (
    <>
      {refused.length > 0 ? (
        <Notice
          tone="bad"
          announce
          className="mb-2"
          end={
            <Button tone="ghost" onClick={() => setRefused([])}>
              {m.common.close}
            </Button>
          }
        >
          <ul>
            {refused.map(({ name, code }) => (
              <li key={name}>
                <b>{name}</b>:{" "}
                {code in codes ? codes[code as keyof typeof codes] : explain(new Error(code), m)}
              </li>
            ))}
          </ul>
        </Notice>
      ) : null}
      {chosen.size > 0 ? (
        <div
          role="toolbar"
          aria-label={m.users.chosen(format.number(chosen.size))}
          className="mb-2 flex flex-wrap items-center gap-2 rounded-md border border-accent-line bg-accent-soft px-3 py-1.5"
        >
          <span className="mr-auto font-semibold">{m.users.chosen(format.number(chosen.size))}</span>
          <Button disabled={waiting.length === 0} busy={setMany.isPending} onClick={() => run("activate")}>
            {m.users.activateMany(format.number(waiting.length))}
          </Button>
          <Button tone="danger" disabled={active.length === 0} onClick={() => setAsking(true)}>
            {m.users.deactivateMany(format.number(active.length))}
          </Button>
          <Button tone="ghost" onClick={() => onChosen(new Set())}>
            {m.users.chooseNone}
          </Button>
        </div>
      ) : null}
      <Confirm
        open={asking}
        onOpenChange={setAsking}
        title={m.users.deactivateManyTitle(format.number(active.length))}
        text={rich(m.users.deactivateManyText(active.map(({ username }) => username).join(", ")))}
        action={m.users.deactivate}
        busy={setMany.isPending}
        onConfirm={() => run("deactivate")}
      />
    </>
  );
}
