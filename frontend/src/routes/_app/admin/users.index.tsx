import { createFileRoute } from "@tanstack/react-router";
import { Users } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { VIEWS } from "@/features/users/search";
import { UsersPage } from "@/features/users/users-page";
import { UsersThen } from "@/features/users/users-then";
import { atSearch, toNow } from "@/lib/at";

const text = v.optional(v.fallback(v.string(), ""));

export const Route = createFileRoute("/_app/admin/users/")({
  ...page({ name: "users", icon: Users, group: "manage", order: 20, role: "admin" }),
  validateSearch: v.object({
    q: text,
    sort: text,
    e: text,
    at: atSearch,
    view: v.optional(v.fallback(v.picklist(VIEWS), "")),
  }),
  component: UsersRoute,
});

function UsersRoute() {
  const { at } = Route.useSearch();
  const navigate = Route.useNavigate();
  return at ? <UsersThen at={at} onNow={() => void navigate({ search: toNow })} /> : <UsersPage />;
}
