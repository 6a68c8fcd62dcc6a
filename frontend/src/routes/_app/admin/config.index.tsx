import { createFileRoute } from "@tanstack/react-router";
import { Braces } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { ConfigPage } from "@/features/config/config-page";

const search = v.object({
  view: v.optional(v.fallback(v.picklist(["text", "inline", "side"]), "inline")),
  /** The server the text is at. */
  server: v.optional(v.fallback(v.string(), "")),
});

export const Route = createFileRoute("/_app/admin/config/")({
  ...page({ name: "config", icon: Braces, group: "manage", order: 10, role: "admin" }),
  validateSearch: search,
  component: ConfigPage,
});
