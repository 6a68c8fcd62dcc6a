import { createFileRoute } from "@tanstack/react-router";
import { Plug } from "lucide-react";
import { page } from "@/app/pages";
import { ConnectPage } from "@/features/connect/connect-page";
import { keysQuery, runtimeQuery } from "@/features/connect/queries";

export const Route = createFileRoute("/_app/connect")({
  ...page({ name: "connect", icon: Plug, group: "work", order: 10, role: "user" }),
  loader: ({ context }) =>
    Promise.all([
      context.queryClient.ensureQueryData(keysQuery),
      context.queryClient.ensureQueryData(runtimeQuery),
    ]).then(() => undefined),
  component: ConnectPage,
});
