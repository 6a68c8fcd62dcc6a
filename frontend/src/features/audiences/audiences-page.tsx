import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Globe, Lock, type LucideIcon, Users, UserX } from "lucide-react";
import { useMemo } from "react";
import type { ServerView } from "@/api/schema.gen";
import { serversQuery } from "@/api/servers";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Badge, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { SearchInput } from "@/components/ui/input";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { audiencesTexts } from "@/i18n/audiences";
import { AudiencePanel } from "./audience-panel";
import { type Kind, MEMBERS, narrowed, whomOf } from "./model";
import { VIEWS, type View } from "./search";

const route = getRouteApi("/_app/admin/audiences");

const LOOKS: Record<Kind, { tone: Tone; icon: LucideIcon }> = {
  everyone: { tone: "neutral", icon: Globe },
  named: { tone: "accent", icon: Users },
  private: { tone: "warn", icon: Lock },
  nobody: { tone: "bad", icon: UserX },
  unreadable: { tone: "bad", icon: UserX },
};

/** Whom each server is for. */
export function AudiencesPage() {
  const m = useMessages(audiencesTexts);
  const { q = "", view = "", e = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useQuery(serversQuery);
  const change = (wanted: { q?: string; view?: View; e?: string }, replace = false) =>
    void navigate({
      search: (now) => Object.fromEntries(Object.entries({ ...now, ...wanted }).filter(([, value]) => value)),
      replace,
      resetScroll: false,
    });
  return (
    <Page
      title={m.audiences.title}
      subtitle={m.audiences.subtitle}
      tools={
        <>
          <div className="scroll-thin max-w-full overflow-x-auto">
            <Segmented
              label={m.audiences.viewLabel}
              value={view}
              onChange={(wanted) => change({ view: wanted })}
              options={VIEWS.map((value) => ({ value, label: m.audiences.views[value || "all"] }))}
            />
          </div>
          <SearchInput
            value={q}
            onChange={(typed) => change({ q: typed }, true)}
            placeholder={m.audiences.find}
            className="w-full max-w-72"
          />
        </>
      }
    >
      <Loaded query={query} skeleton={<SkeletonRows rows={8} />}>
        {(servers) => (
          <Found
            servers={narrowed(servers, view, q)}
            chosen={servers.find(({ name }) => name === e)}
            any={servers.length > 0}
            onChoose={(name) => change({ e: name }, true)}
            onAll={() => change({ q: "", view: "" })}
          />
        )}
      </Loaded>
    </Page>
  );
}

interface FoundProps {
  servers: ServerView[];
  chosen: ServerView | undefined;
  any: boolean;
  onChoose: (name: string) => void;
  onAll: () => void;
}

function Found({ servers, chosen, any, onChoose, onAll }: FoundProps) {
  const m = useMessages(audiencesTexts);
  const columns = useMemo<Column<ServerView>[]>(
    () => [
      {
        id: "server",
        header: m.audiences.columns.server,
        width: "minmax(150px,1fr)",
        sortBy: ({ name }) => name.toLowerCase(),
        cell: ({ name, enabled }) => (
          <span className="flex items-center gap-2">
            <span className="truncate font-mono font-semibold">{name}</span>
            {enabled ? null : <Badge>{m.audiences.off}</Badge>}
          </span>
        ),
      },
      {
        id: "kind",
        header: m.audiences.columns.kind,
        width: "124px",
        className: "flex items-center",
        sortBy: (server) => whomOf(server).kind,
        cell: (server) => {
          const { kind } = whomOf(server);
          const { tone, icon: Icon } = LOOKS[kind];
          return (
            <Badge tone={tone} icon={<Icon aria-hidden />}>
              {m.audiences.kinds[kind]}
            </Badge>
          );
        },
      },
      {
        id: "names",
        header: m.audiences.columns.names,
        width: "minmax(160px,1.4fr)",
        cell: (server) => <Names server={server} />,
      },
    ],
    [m],
  );
  return (
    <div className="grid gap-4 lg:grid-cols-[minmax(0,1fr)_420px]">
      <DataTable
        label={m.audiences.title}
        columns={columns}
        rows={servers}
        rowId={({ name }) => name}
        selected={chosen?.name ?? null}
        onSelect={({ name }) => onChoose(name)}
        empty={
          <EmptyState
            title={any ? m.audiences.noMatch : m.audiences.empty}
            action={any ? <Button onClick={onAll}>{m.audiences.showAll}</Button> : null}
          />
        }
      />
      {chosen ? (
        <AudiencePanel key={chosen.name} server={chosen} />
      ) : any ? (
        <p className="rounded-lg border border-line border-dashed px-4 py-10 text-center text-ink-3">
          {m.audiences.pick}
        </p>
      ) : null}
    </div>
  );
}

function Names({ server }: { server: ServerView }) {
  const m = useMessages(audiencesTexts);
  const { kind, named, owner } = whomOf(server);
  if (kind === "private") return <span className="font-mono text-ink-2 text-xs">{owner || "–"}</span>;
  if (kind !== "named") return <span className="text-ink-3">–</span>;
  return (
    <span className="text-ink-2 text-xs">
      {MEMBERS.filter((member) => named[member].length > 0).map((member) => (
        <span key={member} className="mr-3">
          {m.audiences.members[member]} <span className="font-mono">{named[member].join(", ")}</span>
        </span>
      ))}
    </span>
  );
}
