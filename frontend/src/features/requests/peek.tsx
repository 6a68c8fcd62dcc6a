import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Maximize2, SearchX, X } from "lucide-react";
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
    <aside
      aria-label={m.requests.detail}
      className="scroll-thin max-lg:fixed max-lg:inset-x-0 max-lg:bottom-0 max-lg:z-30 max-lg:max-h-[75vh] max-lg:shadow-pop lg:sticky lg:top-3 lg:max-h-[calc(100vh-24px)] lg:w-104 lg:shrink-0 lg:self-start overflow-y-auto rounded-lg border border-line bg-surface"
    >
      <div className="sticky top-0 flex items-center gap-1 border-line border-b bg-surface py-1.5 pr-2 pl-3.5">
        <h2 className="flex-1 font-semibold text-lg tracking-tight">{m.requests.detail}</h2>
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
      </div>
      <div className="p-3.5">
        {isNotFound(request.error) ? (
          <EmptyState icon={<SearchX aria-hidden />} title={m.requests.notFound} className="py-6">
            {m.requests.notFoundText}
          </EmptyState>
        ) : (
          <Loaded query={request} skeleton={<SkeletonRows rows={8} />}>
            {(found) => <RequestDetail request={found} listPath={listPath} />}
          </Loaded>
        )}
      </div>
    </aside>
  );
}
