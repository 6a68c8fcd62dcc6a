import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { SearchX } from "lucide-react";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { buttonLook } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { isNotFound } from "./not-found";
import { requestQuery } from "./queries";
import { RequestDetail } from "./request-detail";

const route = getRouteApi("/_app/admin/requests/$requestId");

/** One request on a page of its own, to be sent as a link. */
export function RequestPage() {
  const m = useMessages(requestsTexts);
  const { requestId } = route.useParams();
  const request = useQuery(requestQuery(requestId));
  const back = (
    <Link to="/admin/requests" className={buttonLook()}>
      {m.requests.toList}
    </Link>
  );
  return (
    <Page width="form" title={m.requests.detail} end={back}>
      {isNotFound(request.error) ? (
        <EmptyState icon={<SearchX aria-hidden />} title={m.requests.notFound}>
          {m.requests.notFoundText}
        </EmptyState>
      ) : (
        <Loaded query={request} skeleton={<SkeletonRows rows={10} />}>
          {(found) => (
            <div className="rounded-lg border border-line bg-surface p-4">
              <RequestDetail request={found} listPath="/admin/requests" />
            </div>
          )}
        </Loaded>
      )}
    </Page>
  );
}
