import { Link, useRouter } from "@tanstack/react-router";
import type { ReactNode } from "react";
import type { RequestView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { RequestStatus } from "@/components/request-status";
import { Time } from "@/components/time";
import { buttonLook } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { leftOutOf, phasesOf } from "./model";
import { Payload } from "./payload";
import { Reason } from "./reason";

export type ListPath = "/admin/requests" | "/activity";

const COLORS = {
  hub: "var(--ink-3)",
  wait: "var(--warn)",
  upstream: "var(--cat-group)",
  both: "var(--cat-group)",
};

/** All that is known of one request. */
export function RequestDetail({ request, listPath }: { request: RequestView; listPath: ListPath }) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const me = useMe();
  return (
    <div className="flex flex-col gap-4">
      <div>
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
          <RequestStatus request={request} />
          <span className="font-mono text-sm">{request.method}</span>
          {request.tool ? (
            <span className="break-all font-mono font-semibold text-sm">{request.tool}</span>
          ) : null}
          {request.durationMs === null ? null : (
            <span className="ml-auto tabular-nums">{format.duration(request.durationMs)}</span>
          )}
        </p>
        {request.reason || request.errorCode ? (
          <p className="mt-1.5 rounded-md bg-raised px-2.5 py-1.5 text-ink-2 text-sm">
            {request.reason ? <Reason reason={request.reason} /> : null}
            {request.errorCode ? (
              <span className="text-ink-3">
                {request.reason ? " · " : ""}
                {m.requests.facts.error} <code>{request.errorCode}</code>
              </span>
            ) : null}
          </p>
        ) : null}
      </div>
      <Phases request={request} />
      {request.shown === null ? null : <ListResult request={request} />}
      <Facts request={request} listPath={listPath} />
      <Payload request={request} />
      <div className="flex flex-wrap gap-2">
        <CopyButton value={() => JSON.stringify(request, null, 2)} label={m.requests.copyJson} withText />
        {me.isAdmin || me.isAuditor ? (
          <Link
            to="/admin/traces/$correlationId"
            params={{ correlationId: request.id }}
            className={buttonLook()}
          >
            {m.requests.toTrace}
          </Link>
        ) : null}
      </div>
    </div>
  );
}

function Phases({ request }: { request: RequestView }) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const phases = phasesOf(request);
  const whole = phases.reduce((sum, { ms }) => sum + ms, 0);
  if (whole === 0) return null;
  return (
    <section aria-label={m.requests.phases}>
      <p className="text-2xs text-ink-3">{m.requests.phases}</p>
      <div className="my-1.5 flex h-2.5 gap-px overflow-hidden rounded-sm bg-raised" aria-hidden>
        {phases.map(({ name, ms }) => (
          <span key={name} style={{ width: `${(ms / whole) * 100}%`, background: COLORS[name] }} />
        ))}
      </div>
      <dl className="flex flex-wrap gap-x-4 gap-y-0.5 text-xs">
        {phases.map(({ name, ms }) => (
          <div key={name} className="flex items-center gap-1.5">
            <span className="size-2 rounded-sm" style={{ background: COLORS[name] }} aria-hidden />
            <dt className="text-ink-2">{m.requests.phase[name]}</dt>
            <dd className="tabular-nums">{ms > 0 && ms < 1 ? `${ms.toFixed(1)} ms` : format.duration(ms)}</dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function ListResult({ request }: { request: RequestView }) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const lines = leftOutOf(request.leftOut);
  return (
    <section aria-label={m.requests.leftOut}>
      <p className="text-2xs text-ink-3">{m.requests.leftOut}</p>
      {lines.length === 0 ? (
        <p className="text-ink-2">{m.requests.leftOutNothing}</p>
      ) : (
        <table className="mt-1 w-full text-sm">
          <tbody>
            {lines.map(({ what, reason, count }) => (
              <tr key={`${what} ${reason}`} className="border-line border-b last:border-0">
                <th scope="row" className="py-1 text-left font-normal text-ink-2">
                  {m.requests.leftOutWhat[what]}
                </th>
                <td className="py-1">
                  <Reason reason={reason} />
                </td>
                <td className="py-1 text-right tabular-nums">{format.number(count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function Facts({ request, listPath }: { request: RequestView; listPath: ListPath }) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const f = m.requests.facts;
  const client = [request.clientName, request.clientVersion].filter(Boolean).join(" ");
  return (
    <dl className="grid grid-cols-[112px_minmax(0,1fr)] gap-x-3 gap-y-1.5 text-sm">
      <Fact name={f.id}>
        <span className="flex items-start gap-1">
          <code className="break-all text-xs">{request.requestId}</code>
          <CopyButton
            value={() => request.requestId}
            className="size-5 [&_svg]:size-3"
            label={`${m.common.copy}: ${f.id}`}
          />
        </span>
      </Fact>
      <Fact name={f.started}>
        <Time at={request.startedAt} as="full" />
      </Fact>
      <Fact name={f.ended}>{request.endedAt ? <Time at={request.endedAt} as="full" /> : null}</Fact>
      <Fact name={f.user}>{request.username ? <b className="font-medium">{request.username}</b> : null}</Fact>
      <Fact name={f.client}>{client ? <span className="font-mono text-xs">{client}</span> : null}</Fact>
      <Fact name={f.session}>
        {request.sessionId ? (
          <Link
            to={listPath}
            search={{ q: `session:${request.sessionId}` }}
            className="text-accent underline"
          >
            {m.requests.ofSession}
          </Link>
        ) : (
          f.noSession
        )}
      </Fact>
      <Fact name={f.server}>{request.server ? <code>{request.server}</code> : null}</Fact>
      <Fact name={f.protocol}>{request.era}</Fact>
      <Fact name={f.mode}>{request.mode}</Fact>
      <Fact name={f.view}>{request.view ? <code>{request.view}</code> : null}</Fact>
      <Fact name={f.shown}>
        {request.shown === null ? null : m.requests.listShown(format.number(request.shown))}
      </Fact>
      <Fact name={f.sent}>{request.bytesIn === null ? null : format.bytes(request.bytesIn)}</Fact>
      <Fact name={f.received}>{request.bytesOut === null ? null : format.bytes(request.bytesOut)}</Fact>
      <Fact name={f.decided}>
        {request.ledgerPosition === null ? null : <Decided position={request.ledgerPosition} />}
      </Fact>
      <Fact name={f.node}>
        <code>{request.node}</code>
      </Fact>
    </dl>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  if (children === null || children === "") return null;
  return (
    <div className="contents">
      <dt className="text-ink-3">{name}</dt>
      <dd className="min-w-0">{children}</dd>
    </div>
  );
}

/** What the ledger held when access was decided; whoever may read it is led there. */
function Decided({ position }: { position: number }) {
  const m = useMessages(requestsTexts);
  const format = useFormat();
  const router = useRouter();
  const me = useMe();
  const text = m.requests.position(format.number(position));
  const readable = (me.isAdmin || me.isAuditor) && "/admin/audit/$position" in router.routesByPath;
  if (!readable) return text;
  return (
    <a href={`/admin/audit/${position}`} className="text-accent underline">
      {text}
    </a>
  );
}
