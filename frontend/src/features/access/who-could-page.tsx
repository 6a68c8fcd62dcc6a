import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { UserRoundCheck } from "lucide-react";
import { type FormEvent, useId, useMemo, useState } from "react";
import { whoCouldQuery } from "@/api/access";
import { asProblem } from "@/api/problem";
import type { UserThen, WhoCould } from "@/api/schema.gen";
import { serverQuery, serversQuery } from "@/api/servers";
import { usePages } from "@/api/use-pages";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { useReason } from "@/components/access-list";
import { AsOf } from "@/components/as-of";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { ThenSearch } from "@/components/then-search";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { accessTexts } from "@/i18n/access";
import { pastTexts } from "@/i18n/past";
import { rich } from "@/i18n/rich";
import { toNow } from "@/lib/at";
import { WHOLE } from "./model";
import { Why } from "./why";

const route = getRouteApi("/_app/admin/who-could");

interface Asked {
  server: string;
  tool: string;
  at: string;
}

/** Who could use a server or a tool, now or at an earlier time: by the decision that the gateway takes. */
export function WhoCouldPage() {
  const m = useMessages(accessTexts);
  const { server = "", tool = "", at = "", who = "could", q = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const change = (wanted: Partial<Asked> & { who?: "could" | "all" }) =>
    void navigate({
      search: (before) =>
        Object.fromEntries(
          Object.entries({ ...before, ...wanted }).filter(([, value]) => value && value !== "could"),
        ),
    });
  return (
    <Page
      title={m.access.whoCould.title}
      subtitle={m.access.whoCould.subtitle}
      tools={<Question key={`${server} ${tool} ${at}`} asked={{ server, tool, at }} onAsk={change} />}
    >
      {at ? <AsOf at={at} onNow={() => void navigate({ search: toNow })} className="-mx-4.5 mb-3" /> : null}
      {server === "" ? (
        <EmptyState icon={<UserRoundCheck aria-hidden />} title={m.access.whoCould.pick}>
          {m.access.whoCould.pickText}
        </EmptyState>
      ) : (
        <Answer
          asked={{ server, tool, at }}
          all={who === "all"}
          q={q}
          onAll={(all) => change({ who: all ? "all" : "could" })}
        />
      )}
    </Page>
  );
}

function Question({ asked, onAsk }: { asked: Asked; onAsk: (asked: Asked) => void }) {
  const m = useMessages(accessTexts, pastTexts);
  const [server, setServer] = useState(asked.server);
  const [tool, setTool] = useState(asked.tool);
  const [at, setAt] = useState(asked.at);
  const names = useId();
  const tools = useId();
  const servers = useQuery(serversQuery).data ?? [];
  const known = servers.some(({ name }) => name === server);
  const listed = useQuery({ ...serverQuery(server), enabled: known }).data?.tools ?? [];
  const ask = (event: FormEvent) => {
    event.preventDefault();
    if (server.trim()) onAsk({ server: server.trim(), tool: tool.trim(), at: at.trim() });
  };
  return (
    <form onSubmit={ask} className="flex w-full flex-wrap items-end gap-2">
      <Field label={m.access.whoCould.server} className="w-64 max-sm:w-full">
        {(parts) => (
          <Input
            {...parts}
            data-page-search={asked.server === "" ? true : undefined}
            className="font-mono"
            list={names}
            autoComplete="off"
            spellCheck={false}
            value={server}
            onChange={(event) => setServer(event.target.value)}
          />
        )}
      </Field>
      <datalist id={names}>
        {servers.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <Field label={m.access.whoCould.tool} className="w-64 max-sm:w-full">
        {(parts) => (
          <Input
            {...parts}
            className="font-mono"
            list={tools}
            autoComplete="off"
            spellCheck={false}
            placeholder={m.access.whoCould.anyTool}
            value={tool}
            onChange={(event) => setTool(event.target.value)}
          />
        )}
      </Field>
      <datalist id={tools}>
        {listed.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
      <Field label={m.access.whoCould.at} className="w-56 max-sm:w-full">
        {(parts) => (
          <Input
            {...parts}
            className="font-mono"
            placeholder={m.past.toNow}
            title={m.past.timeHint}
            value={at}
            onChange={(event) => setAt(event.target.value)}
          />
        )}
      </Field>
      <Button type="submit" tone="primary" size="md" disabled={!server.trim()}>
        {m.access.whoCould.ask}
      </Button>
    </form>
  );
}

interface AnswerProps {
  asked: Asked;
  all: boolean;
  /** Part of a user's name. */
  q: string;
  onAll: (all: boolean) => void;
}

function Answer({ asked, all, q, onAll }: AnswerProps) {
  const m = useMessages(accessTexts);
  const query = useInfiniteQuery(whoCouldQuery({ ...asked, all, q }));
  const pages = usePages(query, ({ data }) => data.users);
  const first = query.data?.pages[0]?.data;
  // An answer of before stays while another is fetched; one that was refused does not stand under a new question.
  const shown = { ...query, data: query.error ? undefined : first };
  const problem = query.error ? asProblem(query.error) : null;
  if (problem?.code === "no_such_time") return null; // the line above says it
  if (problem?.status === 404)
    return (
      <EmptyState icon={<UserRoundCheck aria-hidden />} title={m.access.whoCould.noServer(asked.server)} />
    );
  return (
    <Loaded query={shown} skeleton={<SkeletonRows rows={8} />}>
      {(found: WhoCould) => (
        <div className="flex flex-col gap-3">
          <div className="flex flex-wrap items-center gap-3">
            <Counts found={found} />
            <Segmented
              label={m.access.whoCould.which}
              value={all ? "all" : "could"}
              onChange={(wanted) => onAll(wanted === "all")}
              options={[
                { value: "could", label: m.access.whoCould.could },
                { value: "all", label: m.access.whoCould.everybody },
              ]}
            />
            <ThenSearch placeholder={m.access.whoCould.find} />
          </div>
          {asked.tool && !found.recorded ? (
            <Notice tone="warn">{m.access.whoCould.notRecorded}</Notice>
          ) : null}
          <People users={pages.query.data ?? []} sought={q !== ""} asked={asked} more={pages.more} />
        </div>
      )}
    </Loaded>
  );
}

function Counts({ found }: { found: WhoCould }) {
  const m = useMessages(accessTexts);
  const format = useFormat();
  const all = Object.values(found.reasons).reduce((sum, count) => sum + count, 0);
  return (
    <p role="status" className="text-ink-2">
      {rich(m.access.whoCould.counts(format.number(found.reasons.allowed ?? 0), format.number(all)))}
    </p>
  );
}

interface PeopleProps {
  users: UserThen[];
  /** They are those of a name. */
  sought: boolean;
  asked: Asked;
  more: () => void;
}

function People({ users, sought, asked, more }: PeopleProps) {
  const m = useMessages(accessTexts);
  const { isAdmin } = useMe();
  const reason = useReason();
  const columns = useMemo<Column<UserThen>[]>(() => {
    const said: Column<UserThen>[] = [
      {
        id: "user",
        header: m.access.user,
        width: "minmax(150px,1fr)",
        sortBy: ({ username }) => username.toLowerCase(),
        cell: ({ userId, username }) =>
          isAdmin ? (
            <Link
              to="/admin/users/$userId"
              params={{ userId }}
              data-name
              className="truncate font-semibold hover:underline"
            >
              {username}
            </Link>
          ) : (
            <span data-name className="truncate font-semibold">
              {username}
            </span>
          ),
      },
      {
        id: "decision",
        header: m.access.whoCould.decision,
        width: "minmax(190px,1.2fr)",
        className: "flex items-center",
        sortBy: ({ reason: why }) => why,
        cell: ({ could, reason: why }) => (
          <Badge tone={could ? "ok" : "neutral"}>{could ? m.access.whoCould.may : reason(why)}</Badge>
        ),
      },
      {
        id: "keys",
        header: m.access.whoCould.keys,
        width: "minmax(180px,1.4fr)",
        cell: ({ keys, missing }) => <Keys keys={keys} missing={missing} />,
      },
    ];
    if (isAdmin)
      said.push({
        id: "why",
        header: m.access.why,
        hideHeader: true,
        width: "72px",
        align: "right",
        cell: ({ userId }) => <Why asked={{ user: userId, url: WHOLE, keyId: "", ...asked }} />,
      });
    return said;
  }, [m, isAdmin, reason, asked]);
  return (
    <DataTable
      label={m.access.whoCould.title}
      columns={columns}
      rows={users}
      rowId={({ userId }) => userId}
      onEnd={more}
      empty={<EmptyState title={sought ? m.access.whoCould.nobodySo : m.access.whoCould.nobody} />}
      className="-mx-4.5"
    />
  );
}

/** Usable keys, those it did not work through with the reason, and the values without which none does. */
function Keys({ keys, missing }: Pick<UserThen, "keys" | "missing">) {
  const m = useMessages(accessTexts);
  const reason = useReason();
  if (missing.length > 0) {
    const said = m.access.missing(missing.join(", "));
    return (
      <span title={said} className="flex min-w-0">
        <Badge tone="warn" className="min-w-0">
          <span className="truncate">{said}</span>
        </Badge>
      </span>
    );
  }
  if (keys.length === 0) return <span className="text-ink-3">{m.access.whoCould.noKeys}</span>;
  return (
    <span className="truncate text-ink-2 text-sm">
      {keys.map(({ id, name, reason: why }, number) => (
        <span key={id}>
          {number > 0 ? ", " : null}
          <span data-name>{name}</span>
          {why === "allowed" ? null : <span className="text-ink-3"> ({reason(why)})</span>}
        </span>
      ))}
    </span>
  );
}
