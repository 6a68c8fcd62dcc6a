import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import { explain } from "@/api/problem";
import type { KeyView } from "@/api/schema.gen";
import { useToast } from "@/app/use-toast";
import { Confirm } from "@/components/ui/confirm";
import { useMessages } from "@/i18n";
import { adminKeysTexts } from "@/i18n/admin-keys";

/** Asks before somebody's key is revoked, which is final. `asked` null is nothing to ask. */
export function RevokeKey({
  asked,
  owner,
  onDone,
}: {
  asked: KeyView | null;
  owner: string;
  onDone: () => void;
}) {
  const m = useMessages(adminKeysTexts);
  const toast = useToast();
  const queries = useQueryClient();
  const revoke = useMutation({
    mutationFn: ({ id }: KeyView) =>
      client.DELETE("/api/oauth/keys/{key_id}", { params: { path: { key_id: id } } }),
    onSuccess: async ({ response }, { name }) => {
      toast.done(m.adminKeys.revoked(name), { position: positionOf(response) });
      onDone();
      await Promise.all([
        queries.invalidateQueries({ queryKey: ["users"] }),
        queries.invalidateQueries({ queryKey: ["user-keys"] }),
      ]);
    },
  });
  if (asked === null) return null;
  return (
    <Confirm
      open
      onOpenChange={(open) => {
        if (open) return;
        revoke.reset();
        onDone();
      }}
      title={m.adminKeys.revokeTitle(asked.name)}
      text={m.adminKeys.revokeText(owner)}
      action={m.adminKeys.revoke}
      busy={revoke.isPending}
      error={revoke.error ? explain(revoke.error, m) : undefined}
      onConfirm={() => revoke.mutate(asked)}
    />
  );
}
