import { createFileRoute } from "@tanstack/react-router";
import { GitCompareArrows } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { DiffPage } from "@/features/diff/diff-page";
import { SECTIONS } from "@/features/diff/search";
import { atSearch } from "@/lib/at";

export const Route = createFileRoute("/_app/admin/diff")({
  ...page({ name: "diff", icon: GitCompareArrows, group: "observe", order: 45, role: "auditor" }),
  validateSearch: v.object({
    from: atSearch,
    to: atSearch,
    section: v.optional(v.fallback(v.picklist(SECTIONS), "")),
  }),
  component: DiffPage,
});
