import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import type { BrowserSession, Dossier } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useToast } from "@/app/use-toast";
import { EmptyState } from "@/components/states";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { usersTexts } from "@/i18n/users";

/** Where the user is signed in, and how many clients are connected. */
export function SessionsTab({ dossier: { user, sessions, connections } }: { dossier: Dossier }) {
  const m = useMessages(usersTexts);
  const format = useFormat();
  const toast = useToast();
  const queries = useQueryClient();
  const end = useMutation({
    mutationFn: ({ id }: BrowserSession) =>
      client.DELETE("/api/admin/users/{user_id}/sessions/{sid}", {
        params: { path: { user_id: user.id, sid: id } },
      }),
    onSuccess: ({ response }) => {
      toast.done(m.users.sessionEnded(user.username), { position: positionOf(response) });
      return queries.invalidateQueries({ queryKey: ["users"] });
    },
    onError: toast.failed,
  });
  return (
    <div className="flex flex-col gap-2 pt-3">
      <p className="px-3.5 text-ink-2">{m.users.connections(format.number(connections))}</p>
      {sessions.length === 0 ? (
        <EmptyState title={m.users.noSessions} className="py-8" />
      ) : (
        <ul className="flex flex-col rounded-lg border border-line bg-surface">
          {sessions.map((session) => (
            <li
              key={session.id}
              className="flex min-h-row flex-wrap items-center gap-x-3 gap-y-1 border-line border-b px-3.5 py-1.5 last:border-b-0"
            >
              <Badge>{session.kind === "script" ? m.users.kinds.script : m.users.kinds.browser}</Badge>
              {session.current ? <Badge tone="accent">{m.users.thisOne}</Badge> : null}
              <Time at={session.signedInAt} />
              <span className="font-mono text-ink-2 text-xs">{session.ip}</span>
              <span className="min-w-0 flex-1 truncate font-mono text-ink-3 text-xs">{session.agent}</span>
              {session.current ? null : (
                <Button tone="ghost" busy={end.isPending} onClick={() => end.mutate(session)}>
                  {m.users.endSession}
                </Button>
              )}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
