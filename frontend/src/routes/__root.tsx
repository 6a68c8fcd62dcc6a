import type { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, Outlet, redirect } from "@tanstack/react-router";
import { Announcer } from "@/app/announcer";

/** Addresses of the earlier hub, and short ones. */
const MOVED: Record<string, string> = {
  "/keys": "/connect",
  "/overview": "/admin",
  "/admin/dashboard": "/admin",
  "/admin/settings": "/admin/config",
  "/admin/mcp-servers": "/admin/config",
  "/admin/env-vars": "/admin/variables",
};

export const Route = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  beforeLoad: ({ location }) => {
    const to = MOVED[location.pathname.replace(/(.)\/$/, "$1")];
    if (to) throw redirect({ to: to as "/", search: location.search, replace: true });
  },
  component: Root,
});

function Root() {
  return (
    <>
      <Outlet />
      <Announcer />
    </>
  );
}
