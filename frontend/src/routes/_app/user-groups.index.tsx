import { createFileRoute } from "@tanstack/react-router";
import { Boxes } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { GroupsPage } from "@/features/groups/groups-page";

const text = v.optional(v.fallback(v.string(), ""));
/** `e` is the group whose preview is shown, `make` the form of a new one. */
const search = v.object({ q: text, e: text, make: v.optional(v.fallback(v.boolean(), false)) });

export const Route = createFileRoute("/_app/user-groups/")({
  ...page({ name: "groups", icon: Boxes, group: "work", order: 30, role: "user" }),
  validateSearch: search,
  component: GroupsPage,
});
