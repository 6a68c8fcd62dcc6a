import { getRouteApi, Link } from "@tanstack/react-router";
import { useCallback, useMemo } from "react";
import { Page } from "@/components/page";
import { buttonLook } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { rich } from "@/i18n/rich";
import { AuditTools, LiveChip } from "./audit-tools";
import { ExportMenu } from "./export-menu";
import { type Change, cleaned } from "./search";
import { TimelineView } from "./timeline-view";

const route = getRouteApi("/_app/admin/streams/$streamId");

/** Everything that is recorded of one subject. */
export function StreamPage() {
  const m = useMessages(auditTexts);
  const { streamId } = route.useParams();
  const given = route.useSearch();
  const navigate = route.useNavigate();
  // A subject is looked at from its beginning on, unless the address says otherwise.
  const search = useMemo(() => ({ ...given, span: given.span ?? ("all" as const) }), [given]);
  const change = useCallback<Change>(
    (wanted, options) =>
      void navigate({
        search: (now) => ({ ...cleaned({ ...now, ...wanted }), span: wanted.span ?? now.span }),
        ...options,
      }),
    [navigate],
  );
  const also = useMemo(() => ({ tag: [streamId] }), [streamId]);
  return (
    <TimelineView search={search} change={change} also={also}>
      {(state, _, view) => (
        <Page
          title={m.audit.streamTitle}
          subtitle={rich(m.audit.streamOf(streamId.replace(/[<>`]/g, "")))}
          className="px-0 pb-0"
          end={
            <>
              <LiveChip
                live={search.live !== "off"}
                state={state}
                onChange={(live) => change({ live: live ? "on" : "off" }, { replace: true })}
              />
              <ExportMenu search={search} also={also} />
              <Link to="/admin/audit" className={buttonLook({ size: "md" })}>
                {m.audit.toList}
              </Link>
            </>
          }
          tools={<AuditTools search={search} change={change} />}
        >
          {view}
        </Page>
      )}
    </TimelineView>
  );
}
