import { createFileRoute } from "@tanstack/react-router";
import { GitCompareArrows } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { ToolChangesPage } from "@/features/tool-changes/tool-changes-page";

const search = v.object({
  state: v.optional(v.fallback(v.picklist(["waiting", "all"]), "waiting")),
  server: v.optional(v.fallback(v.string(), "")),
  /** The position of the change that is looked at. */
  e: v.optional(v.fallback(v.number(), 0)),
});

export const Route = createFileRoute("/_app/admin/tool-changes")({
  ...page({ name: "toolChanges", icon: GitCompareArrows, group: "manage", order: 50, role: "auditor" }),
  validateSearch: search,
  component: ToolChangesPage,
});
