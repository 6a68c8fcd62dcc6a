import { createFileRoute } from "@tanstack/react-router";
import { Boxes } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { GroupsPage } from "@/features/groups/groups-page";
import { GroupsThen } from "@/features/groups/groups-then";
import { atSearch, toNow } from "@/lib/at";

const text = v.optional(v.fallback(v.string(), ""));
/** `e` is the group whose preview is shown, `make` the form of a new one. */
const search = v.object({ q: text, e: text, at: atSearch, make: v.optional(v.fallback(v.boolean(), false)) });

export const Route = createFileRoute("/_app/user-groups/")({
  ...page({ name: "groups", icon: Boxes, group: "work", order: 30, role: "user" }),
  validateSearch: search,
  component: GroupsRoute,
});

function GroupsRoute() {
  const { at } = Route.useSearch();
  const navigate = Route.useNavigate();
  return at ? <GroupsThen at={at} onNow={() => void navigate({ search: toNow })} /> : <GroupsPage />;
}
