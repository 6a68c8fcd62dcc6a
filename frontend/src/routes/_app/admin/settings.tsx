import { createFileRoute, redirect } from "@tanstack/react-router";

/** An old address of the settings document. */
export const Route = createFileRoute("/_app/admin/settings")({
  beforeLoad: () => {
    throw redirect({ to: "/admin/config", replace: true });
  },
});
