import { getRouteApi } from "@tanstack/react-router";
import { useCallback } from "react";
import { Page } from "@/components/page";
import { useMessages } from "@/i18n";
import { requestsTexts } from "@/i18n/requests";
import { cleaned } from "./address";
import { Explorer } from "./explorer";
import type { Change } from "./search";
import { Tools } from "./tools";

const route = getRouteApi("/_app/admin/requests/");

/** Everybody's requests. */
export function RequestsPage() {
  const m = useMessages(requestsTexts);
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const change = useCallback<Change>(
    (wanted, options) =>
      void navigate({ search: (now) => cleaned({ ...now, ...wanted }), resetScroll: false, ...options }),
    [navigate],
  );
  return (
    <Page
      title={m.requests.title}
      subtitle={m.requests.subtitle}
      tools={<Tools search={search} change={change} all />}
    >
      <Explorer search={search} change={change} all path="/admin/requests" />
    </Page>
  );
}
