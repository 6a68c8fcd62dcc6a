import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { KeyRound, X } from "lucide-react";
import { useMemo } from "react";
import type { Report } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button, IconButton } from "@/components/ui/button";
import { Card, CardHead } from "@/components/ui/card";
import { SearchInput } from "@/components/ui/input";
import { Segmented } from "@/components/ui/segmented";
import { type MessagesWith, useMessages } from "@/i18n";
import type { Format } from "@/i18n/format";
import { rich } from "@/i18n/rich";
import { variablesTexts } from "@/i18n/variables";
import { useShortcut } from "@/lib/shortcuts";
import { narrowedUsage, rowsByServer, rowsByVariable, type UsageRow } from "./model";
import { usageQuery } from "./queries";

const route = getRouteApi("/_app/admin/variables");

export function UsageTab() {
  const m = useMessages(variablesTexts);
  const usage = useQuery(usageQuery);
  return (
    <Loaded query={usage} skeleton={<SkeletonRows />}>
      {(report) =>
        report.servers.length === 0 ? (
          <EmptyState icon={<KeyRound aria-hidden />} title={m.variables.usageEmpty}>
            {rich(m.variables.usageEmptyText)}
          </EmptyState>
        ) : (
          <Usage report={report} />
        )
      }
    </Loaded>
  );
}

function Usage({ report }: { report: Report }) {
  const m = useMessages(variablesTexts);
  const format = useFormat();
  const { q = "", by = "server", e = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const all = useMemo(
    () => (by === "variable" ? rowsByVariable(report) : rowsByServer(report)),
    [report, by],
  );
  const chosen = all.find(({ id }) => id === e) ?? null;
  const columns = useMemo(() => columnsOf(by, m, format), [by, m, format]);
  const find = (wanted: string) =>
    void navigate({
      search: ({ q: _, ...rest }) => (wanted ? { ...rest, q: wanted } : rest),
      replace: true,
    });
  const select = (id: string) =>
    void navigate({ search: ({ e: _, ...rest }) => (id ? { ...rest, e: id } : rest), replace: true });
  useShortcut("Escape", () => select(""), chosen !== null);

  return (
    <>
      <div className="flex flex-wrap items-center gap-2">
        <SearchInput
          value={q}
          onChange={find}
          placeholder={m.variables.find}
          className="w-64 max-sm:w-full"
        />
        <Segmented
          label={m.variables.by}
          value={by}
          options={[
            { value: "server", label: m.variables.byServer },
            { value: "variable", label: m.variables.byVariable },
          ]}
          onChange={(wanted) =>
            void navigate({
              search: ({ by: _, e: __, ...rest }) => (wanted === "server" ? rest : { ...rest, by: wanted }),
            })
          }
        />
        <p className="text-ink-3 text-xs">{m.variables.noValue}</p>
      </div>
      <div className="grid items-start gap-3 xl:grid-cols-[minmax(0,1fr)_auto]">
        <Card className="min-w-0 overflow-hidden">
          <DataTable
            label={m.variables.tabs.usage}
            columns={columns}
            rows={narrowedUsage(all, q)}
            rowId={({ id }) => id}
            selected={chosen?.id ?? null}
            onSelect={({ id }) => select(id)}
            empty={
              <EmptyState
                title={m.variables.noMatch}
                className="py-8"
                action={<Button onClick={() => find("")}>{m.common.clearSearch}</Button>}
              />
            }
          />
        </Card>
        {chosen ? <Holders row={chosen} onClose={() => select("")} /> : null}
      </div>
    </>
  );
}

function columnsOf(by: string, m: MessagesWith<typeof variablesTexts>, format: Format): Column<UsageRow>[] {
  const server: Column<UsageRow> = {
    id: "server",
    header: by === "variable" ? m.variables.usageColumns.servers : m.variables.usageColumns.server,
    width: "minmax(130px,1fr)",
    sortBy: ({ servers }) => servers.join(),
    cell: ({ servers, off }) => (
      <span className="flex items-center gap-1.5" title={servers.join(", ")}>
        <span className="truncate" data-name>
          {servers.join(", ")}
        </span>
        {off ? <Badge>{m.variables.off}</Badge> : null}
      </span>
    ),
  };
  const name: Column<UsageRow> = {
    id: "name",
    header: m.variables.usageColumns.name,
    width: "minmax(190px,1.4fr)",
    sortBy: ({ name: called }) => called,
    cell: ({ name: called, required, secret }) => (
      <span className="flex items-center gap-1.5">
        <span className="truncate font-mono font-semibold text-sm" title={called}>
          {called}
        </span>
        {required ? null : <Badge>{m.variables.optional}</Badge>}
        {secret ? null : <Badge>{m.variables.open}</Badge>}
      </span>
    ),
  };
  return [
    ...(by === "variable" ? [name, server] : [server, name]),
    {
      id: "users",
      header: m.variables.usageColumns.users,
      width: "112px",
      align: "right",
      sortBy: ({ configured }) => configured,
      cell: ({ configured, users }) =>
        users === 0 ? (
          <span className="text-ink-3">{m.variables.nobodyMay}</span>
        ) : (
          m.variables.of(format.number(configured), format.number(users))
        ),
    },
    {
      id: "share",
      header: m.variables.usageColumns.share,
      width: "132px",
      align: "right",
      sortBy: ({ percent }) => percent,
      cell: ({ percent }) =>
        percent === null ? null : <Share percent={percent} text={format.percent(percent / 100)} />,
    },
  ];
}

function Share({ percent, text }: { percent: number; text: string }) {
  return (
    <span className="flex items-center justify-end gap-2">
      <span className="h-1.5 w-16 overflow-hidden rounded-full bg-line" aria-hidden>
        <span className="block h-full rounded-full bg-accent" style={{ width: `${percent}%` }} />
      </span>
      <span className="w-12">{text}</span>
    </span>
  );
}

function Holders({ row, onClose }: { row: UsageRow; onClose: () => void }) {
  const m = useMessages(variablesTexts);
  const format = useFormat();
  const without = row.users - row.configured;
  return (
    <Card aria-label={`${m.variables.holders}: ${row.name}`} className="min-w-0 overflow-hidden xl:w-[360px]">
      <CardHead
        title={m.variables.holders}
        detail={format.number(row.holders.length)}
        end={
          <IconButton label={m.variables.closeHolders} onClick={onClose}>
            <X aria-hidden />
          </IconButton>
        }
      />
      <p className="truncate border-line border-t px-3.5 py-2 font-mono text-ink-2 text-xs">
        {row.name} · {row.servers.join(", ")}
      </p>
      {row.holders.length === 0 ? (
        <p className="px-3.5 pb-3 text-ink-2">{m.variables.holdersEmpty}</p>
      ) : (
        <ul className="scroll-thin max-h-[50vh] overflow-y-auto">
          {row.holders.map(({ userId, username, hasAccess }) => (
            <li key={userId} className="flex min-h-row items-center gap-2 border-line border-t px-3.5">
              <a href={`/admin/users/${userId}`} data-name className="truncate font-semibold hover:underline">
                {username}
              </a>
              {hasAccess ? null : <span className="text-ink-3 text-xs">{m.variables.noAccess}</span>}
            </li>
          ))}
        </ul>
      )}
      {without > 0 ? (
        <p className="border-line border-t px-3.5 py-2 text-ink-2 text-sm">
          {m.variables.missingCount(format.number(without))}
        </p>
      ) : null}
    </Card>
  );
}
