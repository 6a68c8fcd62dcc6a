import { useQuery } from "@tanstack/react-query";
import { Link, useRouterState } from "@tanstack/react-router";
import { healthQuery } from "@/api/health";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { healthTexts } from "@/i18n/health";
import { useMe } from "./session";

/** On the pages of administration: a part of the hub is not well. What only needs attention is on the overview. */
export function Degraded() {
  const m = useMessages(healthTexts);
  const me = useMe();
  const path = useRouterState({ select: ({ location }) => location.pathname });
  const wanted = me.isAdmin && path.startsWith("/admin");
  const { data } = useQuery({ ...healthQuery, enabled: wanted });
  const broken = data?.checks.filter(({ status }) => status === "error") ?? [];
  if (!wanted || broken.length === 0) return null;
  const names = broken.map(({ name }) => m.health.names[name as keyof typeof m.health.names] ?? name);
  return (
    <Notice
      tone="bad"
      announce
      className="rounded-none px-4.5"
      end={
        path === "/admin/health" ? null : (
          <Link to="/admin/health" className="font-medium underline">
            {m.health.toHealth}
          </Link>
        )
      }
    >
      {m.health.degraded(names.join(", "))}
    </Notice>
  );
}
