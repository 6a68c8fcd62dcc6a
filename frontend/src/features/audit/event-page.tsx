import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { Problem } from "@/api/problem";
import { Page } from "@/components/page";
import { Loaded, SkeletonRows } from "@/components/states";
import { buttonLook, IconButton } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { pastTexts } from "@/i18n/past";
import { useShortcut } from "@/lib/shortcuts";
import { FactDetail } from "./fact-detail";
import { NoSuchEvent } from "./peek";
import { factQuery } from "./queries";

const route = getRouteApi("/_app/admin/audit/$position");

/** One event on a page of its own, to be sent as a link. */
export function EventPage() {
  const m = useMessages(auditTexts, pastTexts);
  const { position } = route.useParams();
  const navigate = useNavigate();
  const wanted = /^\d{1,15}$/.test(position) ? Number(position) : 0;
  const fact = useQuery(factQuery(wanted));
  const go = (to: number | null | undefined) => {
    if (to) void navigate({ to: "/admin/audit/$position", params: { position: String(to) } });
  };
  useShortcut("[", () => go(fact.data?.earlier));
  useShortcut("]", () => go(fact.data?.later));
  const missing = fact.error instanceof Problem && fact.error.status === 404;
  return (
    <Page
      width="form"
      title={`${m.audit.detail} #${position}`}
      subtitle={fact.data ? <code>{fact.data.fact.type}</code> : null}
      end={
        <>
          <IconButton
            label={`${m.audit.previous} ([)`}
            disabled={!fact.data?.earlier}
            onClick={() => go(fact.data?.earlier)}
          >
            <ChevronLeft aria-hidden />
          </IconButton>
          <IconButton
            label={`${m.audit.next} (])`}
            disabled={!fact.data?.later}
            onClick={() => go(fact.data?.later)}
          >
            <ChevronRight aria-hidden />
          </IconButton>
          <CopyButton value={() => window.location.href} label={m.audit.copyLink} />
          <Link to="/admin/audit" search={{ at: position }} className={buttonLook()}>
            {m.past.stateThen}
          </Link>
          <Link to="/admin/audit" search={{ e: position }} className={buttonLook()}>
            {m.audit.toList}
          </Link>
        </>
      }
    >
      <div className="rounded-lg border border-line bg-surface p-4">
        {missing ? (
          <NoSuchEvent />
        ) : (
          <Loaded query={fact} skeleton={<SkeletonRows rows={10} />}>
            {(detail) => (
              <FactDetail
                key={detail.fact.position}
                detail={detail}
                link={(to, className, children) => (
                  <Link to="/admin/audit/$position" params={{ position: String(to) }} className={className}>
                    {children}
                  </Link>
                )}
              />
            )}
          </Loaded>
        )}
      </div>
    </Page>
  );
}
