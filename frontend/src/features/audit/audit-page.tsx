import { getRouteApi } from "@tanstack/react-router";
import { useCallback } from "react";
import { useFormat } from "@/app/look";
import { Page } from "@/components/page";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { AuditTools, LiveChip } from "./audit-tools";
import { ExportMenu } from "./export-menu";
import { type Change, cleaned } from "./search";
import { TimelineView } from "./timeline-view";

const route = getRouteApi("/_app/admin/audit/");

/** Everything that is recorded, newest first. */
export function AuditPage() {
  const m = useMessages(auditTexts);
  const format = useFormat();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const change = useCallback<Change>(
    (wanted, options) => void navigate({ search: (now) => cleaned({ ...now, ...wanted }), ...options }),
    [navigate],
  );
  return (
    <TimelineView search={search} change={change}>
      {(state, latest, view) => (
        <Page
          title={m.audit.title}
          subtitle={m.audit.subtitle}
          className="px-0 pb-0"
          end={
            <>
              {latest === null ? null : (
                <span className="text-ink-3 text-sm">
                  {m.audit.latest} <b className="font-mono text-ink">#{format.number(latest)}</b>
                </span>
              )}
              <LiveChip
                live={search.live !== "off"}
                state={state}
                onChange={(live) => change({ live: live ? "on" : "off" }, { replace: true })}
              />
              <ExportMenu search={search} />
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
