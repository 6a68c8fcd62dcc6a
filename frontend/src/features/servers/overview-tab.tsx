import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { ServerView, UpstreamState } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { JsonView } from "@/components/json-view";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Card, CardHead } from "@/components/ui/card";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";
import { audienceOf, readinessOf } from "./model";
import { figuresQuery, upstreamsQuery } from "./queries";
import { ReadyMark, StatusMark } from "./state";

export function OverviewTab({ server }: { server: ServerView }) {
  const m = useMessages(serversTexts);
  const me = useMe();
  const { data: upstreams } = useQuery({ ...upstreamsQuery, enabled: me.isAdmin });
  const upstream = upstreams?.find(({ slug }) => slug === server.slug);
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-3 pt-3 lg:grid-cols-2">
      <Connection server={server} upstream={upstream} />
      <div className="flex flex-col gap-3">
        <Calls server={server} />
        {me.isAdmin ? <Audience server={server} /> : null}
        {upstream ? <Sandbox upstream={upstream} /> : null}
      </div>
      {server.config ? (
        <Card className="lg:col-span-2">
          <CardHead title={m.servers.config} detail={m.servers.configMasked} />
          <JsonView
            value={server.config}
            label={m.servers.config}
            className="max-h-96 border-line border-t"
          />
        </Card>
      ) : null}
    </div>
  );
}

function Facts({ facts }: { facts: [string, ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[minmax(0,148px)_minmax(0,1fr)] gap-x-3 gap-y-1.5 border-line border-t px-3.5 py-2.5">
      {facts.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-ink-3">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function Connection({ server, upstream }: { server: ServerView; upstream: UpstreamState | undefined }) {
  const m = useMessages(serversTexts);
  const format = useFormat();
  const names = m.servers.facts;
  const facts: [string, ReactNode][] = [
    [names.status, <StatusMark key="status" status={server.status} />],
    [names.since, server.since ? <Time key="since" at={server.since} /> : m.servers.notYet],
    [names.readiness, <ReadyMark key="ready" readiness={readinessOf(server)} />],
    [names.transport, <code key="type">{server.type}</code>],
    [names.isolation, m.servers.isolationTexts[server.isolation as "per-user"] ?? server.isolation],
    [names.address, <code key="address">{`${window.location.origin}/mcp/${server.slug}`}</code>],
    [names.added, server.createTime ? <Time key="added" at={server.createTime} as="date" /> : "–"],
  ];
  if (upstream) {
    facts.push(
      [names.connections, format.number(upstream.runtimes)],
      [names.inFlight, format.number(upstream.leases)],
      [names.reconnects, format.number(upstream.reconnects)],
    );
  }
  return (
    <Card aria-label={m.servers.connection}>
      <CardHead title={m.servers.connection} />
      {server.error ? (
        <Notice tone="bad" className="mx-3.5 mb-2.5">
          <span data-name>{server.error}</span>
          {server.nextRetryAt ? (
            <span className="block text-ink-2">
              {m.servers.nextTry} <Time at={server.nextRetryAt} />
            </span>
          ) : null}
        </Notice>
      ) : null}
      <Facts facts={facts} />
    </Card>
  );
}

function Calls({ server }: { server: ServerView }) {
  const m = useMessages(serversTexts);
  const format = useFormat();
  const me = useMe();
  const all = me.isAdmin || me.isAuditor;
  const { data: figures } = useQuery(figuresQuery(all));
  const found = figures?.find((each) => each.server === server.slug);
  const ms = (value: number | null) => (value === null ? "–" : format.duration(value));
  return (
    <Card aria-label={m.servers.calls}>
      <CardHead title={m.servers.calls} detail={all ? m.servers.callsOfAll : m.servers.callsOwn} />
      {found ? (
        <Facts
          facts={[
            [m.servers.facts.count, format.number(found.count)],
            [m.servers.facts.errorRate, format.percent(found.errorRate)],
            ["p50", ms(found.p50Ms)],
            ["p95", ms(found.p95Ms)],
            ["p99", ms(found.p99Ms)],
          ]}
        />
      ) : (
        <p className="border-line border-t px-3.5 py-3 text-ink-3">{m.servers.noCalls}</p>
      )}
    </Card>
  );
}

/** Who may see it, as the settings document says. */
function Audience({ server }: { server: ServerView }) {
  const m = useMessages(serversTexts);
  const audience = audienceOf(server.audience);
  return (
    <Card aria-label={m.servers.audience}>
      <CardHead title={m.servers.audience} />
      {audience.kind === "everyone" ? (
        <p className="border-line border-t px-3.5 py-3">{m.servers.everyone}</p>
      ) : audience.names.length === 0 ? (
        <p className="border-line border-t px-3.5 py-3 text-warn-text">{m.servers.nobody}</p>
      ) : (
        <Facts
          facts={audience.names.map(([kind, names]) => [
            m.servers.audiences[kind],
            <span key={kind} className="flex flex-wrap gap-1">
              {names.map((name) => (
                <Badge key={name}>
                  <span data-name>{name}</span>
                </Badge>
              ))}
            </span>,
          ])}
        />
      )}
    </Card>
  );
}

/** What holds the processes of a server the hub starts itself. */
function Sandbox({ upstream }: { upstream: UpstreamState }) {
  const m = useMessages(serversTexts);
  const missing = Object.entries(upstream.sandboxMissing);
  if (upstream.sandbox === null) return null;
  return (
    <Card aria-label={m.servers.sandbox}>
      <CardHead title={m.servers.sandbox} detail={upstream.sandbox} />
      <Facts
        facts={[
          [
            m.servers.sandboxHolds,
            <span key="holds" className="flex flex-wrap gap-1">
              {upstream.sandboxLayers.map((layer) => (
                <Badge key={layer} tone="ok">
                  {layer}
                </Badge>
              ))}
            </span>,
          ],
          ...missing.map(([layer, why]): [string, ReactNode] => [
            `${m.servers.sandboxWithout} ${layer}`,
            <span key={layer} data-name className="text-ink-2">
              {why}
            </span>,
          ]),
        ]}
      />
    </Card>
  );
}
