import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Maximize2, SearchX, X } from "lucide-react";
import { PeekPanel } from "@/components/peek-panel";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { buttonLook, IconButton } from "@/components/ui/button";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { useShortcut } from "@/lib/shortcuts";
import { isNotFound } from "./not-found";
import { requestQuery } from "./queries";
import { type ListPath, RequestDetail } from "./request-detail";

interface PeekProps {
  id: string;
  listPath: ListPath;
  /** Is there a page of it? A user's own requests have none. */
  withPage: boolean;
  onClose: () => void;
}

/** One request beside the list, which stays in use. On narrow screens it lies over it. */
export function Peek({ id, listPath, withPage, onClose }: PeekProps) {
  const m = useMessages(requestsTexts);
  const request = useQuery(requestQuery(id));
  useShortcut("Escape", onClose);
  return (
    <PeekPanel
      label={m.requests.detail}
      title={m.requests.detail}
      // The page scrolls as a whole, and the panel stays in sight.
      className="lg:sticky lg:top-3 lg:max-h-[calc(100dvh-24px)] lg:self-start lg:rounded-lg lg:border"
      buttons={
        <>
          {withPage ? (
            <Link
              to="/admin/requests/$requestId"
              params={{ requestId: id }}
              aria-label={m.requests.openPage}
              title={m.requests.openPage}
              className={buttonLook({ tone: "ghost", size: "icon" })}
            >
              <Maximize2 aria-hidden />
            </Link>
          ) : null}
          <IconButton label={m.requests.closeDetail} onClick={onClose}>
            <X aria-hidden />
          </IconButton>
        </>
      }
    >
      {isNotFound(request.error) ? (
        <EmptyState icon={<SearchX aria-hidden />} title={m.requests.notFound} className="py-6">
          {m.requests.notFoundText}
        </EmptyState>
      ) : (
        <Loaded query={request} skeleton={<SkeletonRows rows={8} />}>
          {(found) => <RequestDetail request={found} listPath={listPath} />}
        </Loaded>
      )}
    </PeekPanel>
  );
}
