import { createFileRoute } from "@tanstack/react-router";
import { Network } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { ServersPage } from "@/features/servers/servers-page";
import { ServersThen } from "@/features/servers/servers-then";
import { atSearch, toNow } from "@/lib/at";

const text = v.optional(v.fallback(v.string(), ""));
const search = v.object({ q: text, status: text, ready: text, sort: text, e: text, at: atSearch });

export const Route = createFileRoute("/_app/servers/")({
  ...page({ name: "servers", icon: Network, group: "work", order: 40, role: "user" }),
  validateSearch: search,
  component: ServersRoute,
});

function ServersRoute() {
  const { at } = Route.useSearch();
  const navigate = Route.useNavigate();
  return at ? <ServersThen at={at} onNow={() => void navigate({ search: toNow })} /> : <ServersPage />;
}
