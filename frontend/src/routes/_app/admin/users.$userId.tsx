import { createFileRoute } from "@tanstack/react-router";
import * as v from "valibot";
import { page } from "@/app/pages";
import { UserPage } from "@/features/users/user-page";

const tab = v.optional(
  v.fallback(v.picklist(["access", "keys", "groups", "variables", "sessions"]), "access"),
);

export const Route = createFileRoute("/_app/admin/users/$userId")({
  ...page({ name: "users", role: "admin" }),
  validateSearch: v.object({ tab }),
  component: UserPage,
});
