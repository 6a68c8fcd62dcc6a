import { useMemo, useState } from "react";
import type { Dossier, KeyView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { KeyState } from "@/components/key-state";
import { RevokeKey } from "@/components/revoke-key";
import { EmptyState } from "@/components/states";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { adminKeysTexts } from "@/i18n/admin-keys";
import { usersTexts } from "@/i18n/users";

export function KeysTab({ dossier: { keys, user } }: { dossier: Dossier }) {
  const m = useMessages(adminKeysTexts, usersTexts);
  const format = useFormat();
  const [asked, setAsked] = useState<KeyView | null>(null);
  const columns = useMemo<Column<KeyView>[]>(() => {
    const names = m.adminKeys.columns;
    return [
      {
        id: "name",
        header: names.name,
        width: "minmax(120px,1fr)",
        sortBy: ({ name }) => name,
        cell: ({ name }) => (
          <span data-name className="font-semibold">
            {name}
          </span>
        ),
      },
      {
        id: "key",
        header: names.key,
        width: "168px",
        cell: ({ maskedKey }) => <span className="font-mono text-ink-2 text-xs">{maskedKey}</span>,
      },
      {
        id: "state",
        header: names.state,
        width: "96px",
        sortBy: ({ state }) => state,
        className: "flex items-center",
        cell: (key) => <KeyState {...key} />,
      },
      {
        id: "scope",
        header: names.scope,
        width: "minmax(100px,0.7fr)",
        cell: ({ scope }) => (
          <span className="text-ink-2 text-sm">{scope ? m.adminKeys.narrowed : m.adminKeys.whole}</span>
        ),
      },
      {
        id: "expires",
        header: names.expires,
        width: "92px",
        sortBy: ({ expiresAt }) => expiresAt,
        cell: ({ expiresAt }) => <Time at={expiresAt} as="date" />,
      },
      {
        id: "used",
        header: names.used,
        width: "92px",
        sortBy: ({ lastUsedAt }) => lastUsedAt,
        cell: ({ lastUsedAt }) =>
          lastUsedAt ? <Time at={lastUsedAt} /> : <span className="text-ink-3">{m.common.never}</span>,
      },
      {
        id: "calls",
        header: names.calls,
        width: "64px",
        align: "right",
        sortBy: ({ usageCount }) => usageCount,
        cell: ({ usageCount }) => format.number(usageCount),
      },
      {
        id: "actions",
        header: m.common.actions,
        hideHeader: true,
        width: "84px",
        className: "flex justify-end overflow-visible",
        cell: (key) =>
          key.state === "revoked" ? null : (
            <Button tone="ghost" aria-label={m.adminKeys.revokeOne(key.name)} onClick={() => setAsked(key)}>
              {m.adminKeys.revoke}
            </Button>
          ),
      },
    ];
  }, [m, format]);
  return (
    <>
      <DataTable
        label={m.users.tabs.keys}
        columns={columns}
        rows={keys}
        rowId={({ id }) => id}
        empty={<EmptyState title={m.users.noKeys} className="py-8" />}
      />
      <RevokeKey asked={asked} owner={user.username} onDone={() => setAsked(null)} />
    </>
  );
}
