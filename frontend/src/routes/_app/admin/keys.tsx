import { createFileRoute } from "@tanstack/react-router";
import { KeySquare } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { KeysPage } from "@/features/admin-keys/keys-page";
import { VIEWS } from "@/features/admin-keys/search";

const text = v.optional(v.fallback(v.string(), ""));

export const Route = createFileRoute("/_app/admin/keys")({
  ...page({ name: "keys", icon: KeySquare, group: "manage", order: 30, role: "admin" }),
  validateSearch: v.object({
    q: text,
    sort: text,
    e: text,
    view: v.optional(v.fallback(v.picklist(VIEWS), "")),
  }),
  component: KeysPage,
});
