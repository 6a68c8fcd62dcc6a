import { createFileRoute } from "@tanstack/react-router";
import { Plug } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { ConnectPage } from "@/features/connect/connect-page";
import { keysQuery, runtimeQuery } from "@/features/connect/queries";

/** `server` is the only one the client is for. */
const search = v.object({ server: v.optional(v.fallback(v.string(), "")) });

export const Route = createFileRoute("/_app/connect")({
  ...page({ name: "connect", icon: Plug, group: "work", order: 10, role: "user" }),
  validateSearch: search,
  loader: ({ context }) =>
    Promise.all([
      context.queryClient.ensureQueryData(keysQuery),
      context.queryClient.ensureQueryData(runtimeQuery),
    ]).then(() => undefined),
  component: ConnectPage,
});
