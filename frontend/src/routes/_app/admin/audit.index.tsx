import { createFileRoute } from "@tanstack/react-router";
import { ListTree } from "lucide-react";
import { page } from "@/app/pages";
import { AuditPage } from "@/features/audit/audit-page";
import { auditSearch } from "@/features/audit/search";

export const Route = createFileRoute("/_app/admin/audit/")({
  ...page({ name: "audit", icon: ListTree, group: "observe", order: 40, role: "auditor" }),
  validateSearch: auditSearch,
  component: AuditPage,
});
