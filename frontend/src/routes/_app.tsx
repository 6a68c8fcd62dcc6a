import { createFileRoute, redirect } from "@tanstack/react-router";
import { Problem } from "@/api/problem";
import { meQuery } from "@/app/session";
import { Shell } from "@/app/shell";

/** Everything below is for somebody signed in. The hub checks each request; this only chooses the screen. */
export const Route = createFileRoute("/_app")({
  beforeLoad: async ({ context, location }) => {
    let me: unknown;
    try {
      me = await context.queryClient.ensureQueryData(meQuery);
    } catch (error) {
      if (error instanceof Problem && error.status === 403) {
        throw redirect({ to: "/auth/error", search: { code: error.code } });
      }
      throw error;
    }
    if (me === null) {
      throw redirect({ to: "/login", search: location.href === "/" ? {} : { next: location.href } });
    }
  },
  component: Shell,
});
