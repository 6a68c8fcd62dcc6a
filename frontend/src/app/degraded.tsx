import { useQuery } from "@tanstack/react-query";
import { useRouterState } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { healthQuery } from "@/api/health";
import { useMe } from "./session";

// Its texts are those of the page of health, which a frame around a hub that is well does not wait for.
const DegradedNotice = lazy(() =>
  import("./degraded-notice").then((part) => ({ default: part.DegradedNotice })),
);

/** On the pages of administration: a part of the hub is not well. What only needs attention is on the overview. */
export function Degraded() {
  const me = useMe();
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const wanted = me.isAdmin && path.startsWith("/admin");
  const { data } = useQuery({ ...healthQuery, enabled: wanted });
  const broken = data?.checks.filter(({ status }) => status === "error") ?? [];
  if (!wanted || broken.length === 0) return null;
  return (
    <Suspense>
      <DegradedNotice parts={broken.map(({ name }) => name)} leads={path !== "/admin/health"} />
    </Suspense>
  );
}
