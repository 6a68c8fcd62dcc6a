import { useQuery } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { Network } from "lucide-react";
import { useDeferredValue, useMemo } from "react";
import { serversQuery } from "@/api/servers";
import { useMe } from "@/app/session";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Button, buttonLook } from "@/components/ui/button";
import { SearchInput } from "@/components/ui/input";
import { Select } from "@/components/ui/select";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";
import { narrowed, rowsOf, type ServerFilters, type ServerRow, toolsFound } from "./model";
import { bestToolsQuery, figuresQuery } from "./queries";
import { ServersTable } from "./servers-table";
import { ToolsFound } from "./tools-found";

const route = getRouteApi("/_app/servers/");
const STATUSES = ["connected", "connecting", "disconnected", "error", "needs_setup", "disabled"] as const;
const READY = ["ready", "missing", "rejected", "hidden", "hub"] as const;

/** The servers somebody may use, and whether they can. */
export function ServersPage() {
  const m = useMessages(serversTexts);
  const me = useMe();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const servers = useQuery(serversQuery);
  const figures = useQuery(figuresQuery(me.isAdmin || me.isAuditor));
  const rows = useMemo(
    () => (servers.data ? rowsOf(servers.data, figures.data ?? []) : undefined),
    [servers.data, figures.data],
  );
  const change = (wanted: Partial<typeof search>, replace = false) =>
    void navigate({
      search: (now) => Object.fromEntries(Object.entries({ ...now, ...wanted }).filter(([, value]) => value)),
      replace,
    });
  const any = { value: "", label: "" };
  return (
    <Page
      title={m.servers.title}
      subtitle={m.servers.subtitle}
      tools={
        <>
          <SearchInput
            value={search.q ?? ""}
            onChange={(q) => change({ q }, true)}
            placeholder={m.servers.find}
            className="w-full max-w-96"
          />
          <Select
            label={m.servers.columns.status}
            value={search.status ?? ""}
            onChange={(status) => change({ status })}
            options={[
              { ...any, label: m.servers.anyStatus },
              ...STATUSES.map((value) => ({ value, label: m.servers.statuses[value] })),
            ]}
            className="w-40"
          />
          <Select
            label={m.servers.columns.readiness}
            value={search.ready ?? ""}
            onChange={(ready) => change({ ready })}
            options={[
              { ...any, label: m.servers.anyReadiness },
              ...READY.map((value) => ({
                value,
                label: value === "missing" ? m.servers.valuesMissing : m.servers.readiness[value],
              })),
            ]}
            className="w-48"
          />
        </>
      }
    >
      <Loaded query={{ ...servers, data: rows }} skeleton={<SkeletonRows rows={8} />}>
        {(all) =>
          all.length === 0 ? (
            <NoServers />
          ) : (
            <Found all={all} filters={search} onClear={() => void navigate({ search: {} })} />
          )
        }
      </Loaded>
    </Page>
  );
}

interface FoundProps {
  all: ServerRow[];
  filters: ServerFilters & { e?: string; sort?: string };
  onClear: () => void;
}

function Found({ all, filters, onClear }: FoundProps) {
  const m = useMessages(serversTexts);
  const shown = useMemo(() => narrowed(all, filters), [all, filters]);
  const q = useDeferredValue(filters.q?.trim() ?? "");
  const { data: best, isLoading } = useQuery(bestToolsQuery(q));
  const tools = useMemo(
    () => toolsFound(shown, filters.q ?? "", best, all, filters),
    [shown, filters, best, all],
  );
  return (
    <>
      {shown.length > 0 || (tools.length === 0 && !isLoading) ? (
        <ServersTable
          rows={shown}
          empty={
            <EmptyState
              title={m.servers.noMatch}
              action={<Button onClick={onClear}>{m.servers.clearFilters}</Button>}
            />
          }
        />
      ) : null}
      {tools.length > 0 ? <ToolsFound tools={tools} /> : null}
    </>
  );
}

function NoServers() {
  const m = useMessages(serversTexts);
  const me = useMe();
  const router = useRouter();
  const editor = me.isAdmin && "/admin/config" in router.routesByPath;
  return (
    <EmptyState
      icon={<Network aria-hidden />}
      title={m.servers.empty}
      action={
        editor ? (
          <a href="/admin/config" className={buttonLook({ tone: "primary" })}>
            {m.servers.addFirst}
          </a>
        ) : null
      }
    >
      {me.isAdmin ? m.servers.emptyAdmin : m.servers.emptyUser}
    </EmptyState>
  );
}
