import { createFileRoute, redirect } from "@tanstack/react-router";

/** An old address of the settings document. */
export const Route = createFileRoute("/_app/admin/mcp-servers")({
  beforeLoad: () => {
    throw redirect({ to: "/admin/config", replace: true });
  },
});
