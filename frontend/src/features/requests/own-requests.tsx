import { getRouteApi } from "@tanstack/react-router";
import { useCallback } from "react";
import { cleaned } from "./address";
import { Explorer } from "./explorer";
import type { Change } from "./search";
import { Tools } from "./tools";

const route = getRouteApi("/_app/activity");

/** The reader's own requests, on the page of their activity. */
export function OwnRequests() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const change = useCallback<Change>(
    (wanted, options) =>
      void navigate({ search: (now) => cleaned({ ...now, ...wanted }), resetScroll: false, ...options }),
    [navigate],
  );
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center gap-2">
        <Tools search={search} change={change} all={false} />
      </div>
      <Explorer search={search} change={change} all={false} path="/activity" />
    </>
  );
}
