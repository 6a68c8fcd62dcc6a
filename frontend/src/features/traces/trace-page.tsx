import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Problem } from "@/api/problem";
import type { TraceView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { buttonLook } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { tracesTexts } from "@/i18n/traces";
import { linesOf, waterfallOf } from "./model";
import { traceQuery } from "./queries";
import { WaterfallTable } from "./waterfall";

const route = getRouteApi("/_app/admin/traces/$correlationId");

/** One cause and all that came of it, in the order of time. */
export function TracePage() {
  const m = useMessages(tracesTexts);
  const { correlationId } = route.useParams();
  const trace = useQuery(traceQuery(correlationId));
  const missing = trace.error instanceof Problem && trace.error.status === 404;
  return (
    <Page
      title={m.traces.title}
      subtitle={<code className="break-all">{correlationId}</code>}
      className="gap-3"
      end={
        <>
          {trace.data ? (
            <CopyButton value={() => linesOf(trace.data)} label={m.traces.copy} withText />
          ) : null}
          <Link
            to="/admin/audit"
            search={{ q: `trace:${correlationId}`, span: "all" }}
            className={buttonLook({ size: "md" })}
          >
            {m.traces.inTimeline}
          </Link>
        </>
      }
    >
      {missing ? (
        <EmptyState title={m.traces.notFound}>{m.traces.notFoundText}</EmptyState>
      ) : (
        <Loaded query={trace} skeleton={<SkeletonRows rows={6} />}>
          {(found) => <Trace trace={found} />}
        </Loaded>
      )}
    </Page>
  );
}

function Trace({ trace }: { trace: TraceView }) {
  const m = useMessages(tracesTexts);
  const format = useFormat();
  const { spans, whole } = waterfallOf(trace);
  return (
    <>
      <p className="text-ink-2">
        {m.traces.summary(format.duration(whole), format.number(trace.facts.length))}{" "}
        <Time at={trace.startedAt} as="full" />
      </p>
      {trace.before.map((fact) => (
        <Notice key={fact.id}>
          {m.traces.causedBy}{" "}
          <Link
            to="/admin/audit/$position"
            params={{ position: String(fact.position) }}
            className="font-mono text-accent underline"
          >
            {fact.type} #{format.number(fact.position)}
          </Link>
        </Notice>
      ))}
      <WaterfallTable spans={spans} whole={whole} />
    </>
  );
}
