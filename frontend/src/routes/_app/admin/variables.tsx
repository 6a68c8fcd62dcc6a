import { createFileRoute } from "@tanstack/react-router";
import { Variable } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { VariablesPage } from "@/features/variables-report/variables-page";

const text = v.optional(v.fallback(v.string(), ""));
const search = v.object({
  tab: v.optional(v.fallback(v.picklist(["usage", "issues", "hub", "schedule"]), "usage")),
  q: text,
  /** Of the report: how it is arranged, and whose holders are shown. */
  by: v.optional(v.fallback(v.picklist(["server", "variable"]), "server")),
  e: text,
  severity: v.optional(v.fallback(v.picklist(["all", "ERROR", "WARNING", "INFO"]), "all")),
});

export const Route = createFileRoute("/_app/admin/variables")({
  ...page({ name: "variables", icon: Variable, group: "manage", order: 60, role: "admin" }),
  validateSearch: search,
  component: VariablesPage,
});
