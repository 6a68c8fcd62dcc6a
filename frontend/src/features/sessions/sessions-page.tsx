import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Radio } from "lucide-react";
import { useCallback, useMemo } from "react";
import type { HeardNode } from "@/api/schema.gen";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonRows, StaleChip } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { buttonLook } from "@/components/ui/button";
import { SearchInput } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { sessionsTexts } from "@/i18n/sessions";
import { found, silent } from "./model";
import { runtimesQuery } from "./queries";
import { RuntimesTable } from "./runtimes-table";
import { SessionsTable } from "./sessions-table";
import { Strip } from "./strip";
import { useLiveSessions } from "./use-live-sessions";

const route = getRouteApi("/_app/admin/sessions");

/** Who is connected now, what runs, and what the hub holds open for it. */
export function SessionsPage() {
  const m = useMessages(sessionsTexts);
  const { q = "", tab = "sessions", e = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const { shown, nodes, state } = useLiveSessions();
  const lost = state === "reconnecting" || state === "over";
  const rows = useMemo(() => found(shown ?? [], q), [shown, q]);
  const change = useCallback(
    (wanted: { q?: string; tab?: "sessions" | "upstreams"; e?: string }, replace = true) =>
      void navigate({
        search: (now) =>
          Object.fromEntries(Object.entries({ ...now, ...wanted }).filter(([, value]) => value)),
        replace,
        resetScroll: false,
      }),
    [navigate],
  );
  const choose = useCallback((id: string) => change({ e: id }), [change]);
  return (
    <Page
      title={m.sessions.title}
      subtitle={m.sessions.subtitle}
      end={
        lost ? (
          <StaleChip />
        ) : (
          <Badge tone={state === "live" ? "ok" : "neutral"} icon={<Radio aria-hidden />}>
            {state === "live" ? m.common.live : m.common.reconnecting}
          </Badge>
        )
      }
      tools={
        <>
          <Segmented
            label={m.sessions.title}
            value={tab}
            onChange={(wanted) => change({ tab: wanted, e: "" }, false)}
            options={[
              { value: "sessions", label: m.sessions.tabs.sessions },
              { value: "upstreams", label: m.sessions.tabs.upstreams },
            ]}
          />
          {tab === "sessions" ? (
            <SearchInput
              value={q}
              onChange={(text) => change({ q: text })}
              placeholder={m.sessions.find}
              className="w-full max-w-72"
            />
          ) : null}
        </>
      }
      className="gap-3"
    >
      {lost ? (
        <Notice tone="warn" announce>
          {m.sessions.reconnecting}
        </Notice>
      ) : null}
      <Silent nodes={nodes} />
      <Strip shown={shown} stale={lost} />
      {tab === "upstreams" ? (
        <Runtimes chosen={e} onChoose={choose} />
      ) : shown === null ? (
        <SkeletonRows rows={6} />
      ) : (
        <SessionsTable
          rows={rows}
          nodes={nodes}
          empty={shown.length === 0 ? <NoSessions /> : <EmptyState title={m.common.noMatch} />}
        />
      )}
    </Page>
  );
}

function Runtimes({ chosen, onChoose }: { chosen: string; onChoose: (id: string) => void }) {
  const runtimes = useQuery(runtimesQuery);
  return (
    <Loaded query={runtimes} skeleton={<SkeletonRows rows={6} />}>
      {({ data, nodes }) => (
        <RuntimesTable runtimes={data} nodes={nodes} chosen={chosen} onChoose={onChoose} />
      )}
    </Loaded>
  );
}

function Silent({ nodes }: { nodes: HeardNode[] }) {
  const m = useMessages(sessionsTexts);
  const names = silent(nodes);
  return names === "" ? null : <Notice tone="warn">{m.sessions.silent(names)}</Notice>;
}

function NoSessions() {
  const m = useMessages(sessionsTexts);
  return (
    <EmptyState
      icon={<Radio aria-hidden />}
      title={m.sessions.empty}
      action={
        <Link to="/connect" className={buttonLook()}>
          {m.sessions.connect}
        </Link>
      }
    >
      {m.sessions.emptyText}
    </EmptyState>
  );
}
