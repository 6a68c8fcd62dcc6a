import type { QueryClient } from "@tanstack/react-query";
import { createRootRouteWithContext, Outlet, redirect } from "@tanstack/react-router";
import { Toaster } from "sonner";
import { Announcer } from "@/app/announcer";
import { NotFoundPage } from "@/app/error-pages";
import { useLook } from "@/app/look";

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
  notFoundComponent: NotFoundPage,
});

function Root() {
  const { dark } = useLook();
  return (
    <>
      <Outlet />
      <Announcer />
      <Toaster
        position="bottom-right"
        theme={dark ? "dark" : "light"}
        closeButton
        toastOptions={{
          classNames: {
            toast: "!rounded-lg !border-line !bg-surface !font-sans !text-base !text-ink !shadow-pop",
            description: "!text-ink-2",
            actionButton: "!bg-accent !text-accent-ink",
          },
        }}
      />
    </>
  );
}
