import { createFileRoute } from "@tanstack/react-router";
import { Earth } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { AudiencesPage } from "@/features/audiences/audiences-page";
import { AudiencesThen } from "@/features/audiences/audiences-then";
import { VIEWS } from "@/features/audiences/search";
import { atSearch, toNow } from "@/lib/at";

const text = v.optional(v.fallback(v.string(), ""));

export const Route = createFileRoute("/_app/admin/audiences")({
  ...page({ name: "audiences", icon: Earth, group: "manage", order: 40, role: "admin" }),
  validateSearch: v.object({
    q: text,
    e: text,
    at: atSearch,
    view: v.optional(v.fallback(v.picklist(VIEWS), "")),
  }),
  component: AudiencesRoute,
});

function AudiencesRoute() {
  const { at } = Route.useSearch();
  const navigate = Route.useNavigate();
  return at ? <AudiencesThen at={at} onNow={() => void navigate({ search: toNow })} /> : <AudiencesPage />;
}
