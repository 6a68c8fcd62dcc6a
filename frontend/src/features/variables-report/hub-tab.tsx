import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Plus, Trash2, Variable } from "lucide-react";
import { useMemo, useState } from "react";
import type { HubVariable } from "@/api/schema.gen";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { Badge, type Tone } from "@/components/ui/badge";
import { Button, IconButton } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { SearchInput } from "@/components/ui/input";
import { useMessages } from "@/i18n";
import { rich } from "@/i18n/rich";
import { variablesTexts } from "@/i18n/variables";
import { RemoveHubVariable, SetHubVariable } from "./hub-dialogs";
import { hubVariablesQuery } from "./queries";

const route = getRouteApi("/_app/admin/variables");
const TONES: Record<HubVariable["source"], Tone> = { stored: "ok", environment: "neutral", unset: "warn" };

/** What is asked: a value for one of them, or for a new one, or the end of one. */
type Asked = { what: "set"; variable: HubVariable | null } | { what: "remove"; variable: HubVariable } | null;

export function HubTab() {
  const m = useMessages(variablesTexts);
  const variables = useQuery(hubVariablesQuery);
  const { q = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const [asked, setAsked] = useState<Asked>(null);
  const columns = useColumns(setAsked);
  const find = (wanted: string) =>
    void navigate({
      search: ({ q: _, ...rest }) => (wanted ? { ...rest, q: wanted } : rest),
      replace: true,
    });
  const wanted = q.trim().toLowerCase();
  const close = () => setAsked(null);
  return (
    <>
      <div className="flex flex-wrap items-center gap-2">
        <SearchInput
          value={q}
          onChange={find}
          placeholder={m.variables.find}
          className="w-64 max-sm:w-full"
        />
        <p className="min-w-0 flex-1 text-ink-3 text-xs">{rich(m.variables.hubText)}</p>
        <Button size="md" onClick={() => setAsked({ what: "set", variable: null })}>
          <Plus aria-hidden />
          {m.variables.hubNew}
        </Button>
      </div>
      <Loaded query={variables} skeleton={<SkeletonRows rows={6} />}>
        {(all) =>
          all.length === 0 ? (
            <Card>
              <EmptyState icon={<Variable aria-hidden />} title={m.variables.hubEmpty}>
                {rich(m.variables.hubEmptyText)}
              </EmptyState>
            </Card>
          ) : (
            <Card className="overflow-hidden">
              <DataTable
                label={m.variables.tabs.hub}
                columns={columns}
                rows={all.filter(({ name, usedBy }) =>
                  [name, ...usedBy].some((each) => each.toLowerCase().includes(wanted)),
                )}
                rowId={({ name }) => name}
                empty={
                  <EmptyState
                    title={m.variables.noMatch}
                    className="py-8"
                    action={<Button onClick={() => find("")}>{m.common.clearSearch}</Button>}
                  />
                }
              />
            </Card>
          )
        }
      </Loaded>
      {asked?.what === "set" ? <SetHubVariable variable={asked.variable} onClose={close} /> : null}
      {asked?.what === "remove" ? <RemoveHubVariable variable={asked.variable} onClose={close} /> : null}
    </>
  );
}

function useColumns(ask: (asked: Asked) => void): Column<HubVariable>[] {
  const m = useMessages(variablesTexts);
  return useMemo(() => {
    const { hubColumns: names } = m.variables;
    return [
      {
        id: "name",
        header: names.name,
        width: "minmax(180px,1.3fr)",
        sortBy: ({ name }) => name,
        cell: ({ name }) => (
          <span className="font-mono font-semibold text-sm" title={name}>
            {name}
          </span>
        ),
      },
      {
        id: "source",
        header: names.source,
        width: "124px",
        sortBy: ({ source }) => source,
        cell: ({ source, inEnvironment }) => (
          <span title={source === "stored" && inEnvironment ? m.variables.environmentBelow : undefined}>
            <Badge tone={TONES[source]}>{m.variables.sources[source]}</Badge>
          </span>
        ),
      },
      {
        id: "value",
        header: names.value,
        width: "132px",
        cell: ({ mask, fingerprint }) => (
          <span className="font-mono text-ink-2 text-xs" title={fingerprint ?? undefined}>
            {mask}
          </span>
        ),
      },
      {
        id: "usedBy",
        header: names.usedBy,
        width: "minmax(120px,1fr)",
        cell: ({ usedBy }) =>
          usedBy.length === 0 ? (
            <span className="text-ink-3">{m.variables.unread}</span>
          ) : (
            <span title={usedBy.join(", ")} data-name>
              {usedBy.join(", ")}
            </span>
          ),
      },
      {
        id: "changed",
        header: names.changed,
        width: "92px",
        sortBy: ({ updatedAt }) => updatedAt,
        cell: ({ updatedAt }) => (updatedAt ? <Time at={updatedAt} className="text-ink-2" /> : null),
      },
      {
        id: "actions",
        header: m.common.actions,
        hideHeader: true,
        width: "108px",
        className: "flex items-center justify-end overflow-visible",
        cell: (variable) => {
          const { name, source } = variable;
          const stored = source === "stored";
          return (
            <>
              <Button
                tone="ghost"
                aria-label={stored ? m.variables.replaceFor(name) : m.variables.setFor(name)}
                onClick={() => ask({ what: "set", variable })}
              >
                {stored ? m.variables.replace : m.variables.set}
              </Button>
              {stored ? (
                <IconButton
                  label={m.variables.removeFor(name)}
                  onClick={() => ask({ what: "remove", variable })}
                >
                  <Trash2 aria-hidden />
                </IconButton>
              ) : null}
            </>
          );
        },
      },
    ];
  }, [m, ask]);
}
