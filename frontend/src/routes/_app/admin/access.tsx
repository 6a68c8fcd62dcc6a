import { createFileRoute } from "@tanstack/react-router";
import { ScanEye } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { AccessPage } from "@/features/access/access-page";
import { FILTERS, MODES } from "@/features/access/search";
import { atSearch } from "@/lib/at";

const text = v.optional(v.fallback(v.string(), ""));

export const Route = createFileRoute("/_app/admin/access")({
  ...page({ name: "access", icon: ScanEye, group: "manage", order: 45, role: "admin" }),
  validateSearch: v.object({
    user: text,
    at: atSearch,
    url: v.optional(v.fallback(v.string(), "/mcp")),
    key: text,
    mode: v.optional(v.fallback(v.picklist(MODES), "auto")),
    only: v.optional(v.fallback(v.picklist(FILTERS), "")),
  }),
  component: AccessPage,
});
