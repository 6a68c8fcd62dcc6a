import { CalendarPlus, Ellipsis, RefreshCw, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import { explain } from "@/api/problem";
import type { IssuedKey, KeyView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { EmptyState } from "@/components/states";
import { Time } from "@/components/time";
import { Badge, type Tone } from "@/components/ui/badge";
import { IconButton } from "@/components/ui/button";
import { Card, CardHead } from "@/components/ui/card";
import { Checkbox } from "@/components/ui/checkbox";
import { Confirm } from "@/components/ui/confirm";
import { Menu, MenuItem, MenuSeparator } from "@/components/ui/menu";
import { useMessages } from "@/i18n";
import { connectTexts } from "@/i18n/connect";
import type { useKeyCommands } from "./commands";

interface KeysTableProps {
  keys: KeyView[];
  commands: ReturnType<typeof useKeyCommands>;
  onIssued: (issued: IssuedKey) => void;
}

const TONES: Record<KeyView["state"], Tone> = {
  active: "ok",
  rotating: "warn",
  expired: "neutral",
  revoked: "neutral",
};

export function KeysTable({ keys, commands, onIssued }: KeysTableProps) {
  const m = useMessages(connectTexts);
  const format = useFormat();
  const [all, setAll] = useState(false);
  const [asked, setAsked] = useState<{ what: "rotate" | "revoke"; key: KeyView } | null>(null);
  const rows = keys.filter(({ state }) => all || state === "active" || state === "rotating");
  const { extend } = commands;
  const columns = useMemo<Column<KeyView>[]>(
    () => [
      {
        id: "name",
        header: m.connect.columns.name,
        width: "minmax(120px,1fr)",
        sortBy: ({ name }) => name,
        cell: ({ name, headerOnly }) => (
          <span className="flex items-center gap-1.5">
            <span className="truncate font-semibold">{name}</span>
            {headerOnly ? <Badge>{m.connect.headerOnly}</Badge> : null}
          </span>
        ),
      },
      {
        id: "key",
        header: m.connect.columns.key,
        width: "168px",
        cell: ({ maskedKey }) => <span className="font-mono text-ink-2 text-xs">{maskedKey}</span>,
      },
      {
        id: "state",
        header: m.connect.columns.state,
        width: "112px",
        sortBy: ({ state }) => state,
        cell: ({ state, warning }) =>
          warning && state === "active" ? (
            <Badge tone="warn">{m.connect.expiresSoon}</Badge>
          ) : (
            <Badge tone={TONES[state]}>{m.connect.states[state]}</Badge>
          ),
      },
      {
        id: "expires",
        header: m.connect.columns.expires,
        width: "92px",
        sortBy: ({ expiresAt }) => expiresAt,
        cell: ({ expiresAt }) => <Time at={expiresAt} as="date" />,
      },
      {
        id: "used",
        header: m.connect.columns.used,
        width: "92px",
        sortBy: ({ lastUsedAt }) => lastUsedAt,
        cell: ({ lastUsedAt }) =>
          lastUsedAt ? <Time at={lastUsedAt} /> : <span className="text-ink-3">{m.common.never}</span>,
      },
      {
        id: "calls",
        header: m.connect.columns.calls,
        width: "64px",
        align: "right",
        sortBy: ({ usageCount }) => usageCount,
        cell: ({ usageCount }) => format.number(usageCount),
      },
      {
        id: "actions",
        header: m.common.actions,
        hideHeader: true,
        width: "28px",
        className: "overflow-visible",
        cell: (key) =>
          key.state === "revoked" ? null : (
            <Menu
              trigger={
                <IconButton label={m.connect.actionsFor(key.name)}>
                  <Ellipsis aria-hidden />
                </IconButton>
              }
            >
              <MenuItem icon={<CalendarPlus aria-hidden />} onSelect={() => extend.mutate(key)}>
                {m.connect.extend}
              </MenuItem>
              <MenuItem icon={<RefreshCw aria-hidden />} onSelect={() => setAsked({ what: "rotate", key })}>
                {m.connect.rotate}
              </MenuItem>
              <MenuSeparator />
              <MenuItem
                danger
                icon={<Trash2 aria-hidden />}
                onSelect={() => setAsked({ what: "revoke", key })}
              >
                {m.connect.revoke}
              </MenuItem>
            </Menu>
          ),
      },
    ],
    [m, format, extend],
  );

  return (
    <Card className="overflow-hidden">
      <CardHead
        title={m.connect.keys}
        end={
          // biome-ignore lint/a11y/noLabelWithoutControl: the box inside is one
          <label className="flex items-center gap-1.5 text-ink-2 text-sm">
            <Checkbox checked={all} onChange={setAll} label={m.connect.showRevoked} />
            <span aria-hidden>{m.connect.showRevoked}</span>
          </label>
        }
      />
      <DataTable
        label={m.connect.keys}
        columns={columns}
        rows={rows}
        rowId={({ id }) => id}
        empty={<EmptyState title={m.connect.keysEmpty} className="py-8" />}
        className="border-line border-t"
      />
      <AskFirst asked={asked} onDone={() => setAsked(null)} commands={commands} onIssued={onIssued} />
    </Card>
  );
}

interface AskFirstProps {
  asked: { what: "rotate" | "revoke"; key: KeyView } | null;
  onDone: () => void;
  commands: ReturnType<typeof useKeyCommands>;
  onIssued: (issued: IssuedKey) => void;
}

function AskFirst({ asked, onDone, commands: { rotate, revoke }, onIssued }: AskFirstProps) {
  const m = useMessages(connectTexts);
  if (asked === null) return null;
  const { what, key } = asked;
  const command = what === "rotate" ? rotate : revoke;
  const done = () => {
    command.reset();
    onDone();
  };
  const run = () => {
    if (what === "revoke") return revoke.mutate(key, { onSuccess: done });
    rotate.mutate(key, {
      onSuccess: ({ issued }) => {
        onIssued(issued);
        done();
        document.getElementById("main")?.scrollTo({ top: 0 });
      },
    });
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && done()}
      title={what === "rotate" ? m.connect.rotateTitle(key.name) : m.connect.revokeTitle(key.name)}
      text={what === "rotate" ? m.connect.rotateText : m.connect.revokeText}
      action={what === "rotate" ? m.connect.rotate : m.connect.revoke}
      busy={command.isPending}
      error={command.error ? explain(command.error, m) : undefined}
      onConfirm={run}
    />
  );
}
