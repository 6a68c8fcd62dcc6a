import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { explain } from "@/api/problem";
import type { User } from "@/api/schema.gen";
import { userQuery } from "@/api/users";
import { useFormat } from "@/app/look";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { useMessages } from "@/i18n";
import { usersTexts } from "@/i18n/users";
import type { UserCommands } from "./commands";
import { InvitationLink } from "./invitation-link";

export interface Asked {
  what: "deactivate" | "remove" | "erase" | "revokeKeys" | "signOut" | "invite";
  user: User;
}

interface DialogsProps {
  asked: Asked | null;
  commands: UserCommands;
  onDone: () => void;
}

/** What is asked before a user is changed in a way that hurts, with what it does to this very user. */
export function UserDialogs({ asked, commands, onDone }: DialogsProps) {
  if (asked === null) return null;
  return asked.what === "invite" ? (
    <Invite user={asked.user} commands={commands} onDone={onDone} />
  ) : (
    <Ask key={asked.what} what={asked.what} user={asked.user} commands={commands} onDone={onDone} />
  );
}

interface AskProps {
  what: Exclude<Asked["what"], "invite">;
  user: User;
  commands: UserCommands;
  onDone: () => void;
}

function Ask({ what, user, commands, onDone }: AskProps) {
  const m = useMessages(usersTexts);
  const format = useFormat();
  const [reason, setReason] = useState("");
  const found = useQuery(userQuery(user.id)).data;
  const command = what === "deactivate" ? commands.setActive : commands[what];
  const keys =
    found?.keys.filter(({ state }) => state === "active" || state === "rotating").length ?? user.keyCount;
  const sessions = found === undefined ? null : found.connections + found.sessions.length;
  const count = (value: number | null) => (value === null ? "…" : format.number(value));
  const texts = m.users.ask[what];
  const close = () => {
    command.reset();
    onDone();
  };
  const run = () => {
    if (what === "deactivate") {
      return commands.setActive.mutate({ user, active: false, reason: reason.trim() }, { onSuccess: close });
    }
    commands[what].mutate(user, { onSuccess: close });
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && close()}
      title={texts.title(user.username)}
      text={texts.text(count(keys), count(sessions))}
      action={texts.action}
      name={what === "erase" ? user.username : undefined}
      busy={command.isPending}
      error={command.error ? explain(command.error, m) : undefined}
      onConfirm={run}
    >
      {what === "deactivate" ? (
        <Field label={m.users.reason} hint={m.users.reasonHint}>
          {(parts) => (
            <Input
              {...parts}
              autoComplete="off"
              maxLength={500}
              value={reason}
              onChange={(event) => setReason(event.target.value)}
            />
          )}
        </Field>
      ) : null}
    </Confirm>
  );
}

function Invite({
  user,
  commands: { invite },
  onDone,
}: {
  user: User;
  commands: UserCommands;
  onDone: () => void;
}) {
  const m = useMessages(usersTexts);
  const [link, setLink] = useState<string | null>(null);
  const close = () => {
    invite.reset();
    onDone();
  };
  return (
    <Dialog
      open
      onOpenChange={(open) => !open && close()}
      title={m.users.inviteTitle(user.username)}
      description={link === null ? m.users.inviteText : undefined}
      actions={
        link === null ? (
          <>
            <Button size="md" onClick={close}>
              {m.common.cancel}
            </Button>
            <Button
              size="md"
              tone="primary"
              busy={invite.isPending}
              onClick={() =>
                invite.mutate(user, { onSuccess: ({ invitationLink }) => setLink(invitationLink) })
              }
            >
              {m.users.inviteAnew}
            </Button>
          </>
        ) : (
          <Button size="md" tone="primary" onClick={close}>
            {m.common.close}
          </Button>
        )
      }
    >
      {link === null ? null : <InvitationLink link={link} />}
      {invite.error ? (
        <p role="alert" className="text-bad text-sm">
          {explain(invite.error, m)}
        </p>
      ) : null}
    </Dialog>
  );
}
