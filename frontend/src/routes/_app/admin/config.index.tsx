import { createFileRoute } from "@tanstack/react-router";
import { Braces } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { ConfigPage } from "@/features/config/config-page";
import { ConfigThen } from "@/features/config/config-then";
import { atSearch, toNow } from "@/lib/at";

const search = v.object({
  at: atSearch,
  view: v.optional(v.fallback(v.picklist(["text", "inline", "side"]), "inline")),
  /** The server the text is at. */
  server: v.optional(v.fallback(v.string(), "")),
});

export const Route = createFileRoute("/_app/admin/config/")({
  ...page({ name: "config", icon: Braces, group: "manage", order: 10, role: "admin" }),
  validateSearch: search,
  component: ConfigRoute,
});

function ConfigRoute() {
  const { at } = Route.useSearch();
  const navigate = Route.useNavigate();
  return at ? <ConfigThen at={at} onNow={() => void navigate({ search: toNow })} /> : <ConfigPage />;
}
