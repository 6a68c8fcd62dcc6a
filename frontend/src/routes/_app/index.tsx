import { createFileRoute, redirect } from "@tanstack/react-router";
import { homeOf } from "@/app/home";
import { meQuery } from "@/app/session";
import { lastCallQuery } from "@/features/connect/queries";

/** `/` is where somebody has something to do: connecting, until a client of theirs has called. */
export const Route = createFileRoute("/_app/")({
  beforeLoad: async ({ context }) => {
    const me = await context.queryClient.ensureQueryData(meQuery);
    const connected = (await context.queryClient.fetchQuery(lastCallQuery)).length > 0;
    throw redirect({ to: homeOf({ connected, isAdmin: me?.isAdmin ?? false }), replace: true });
  },
});
