import { createFileRoute } from "@tanstack/react-router";
import { page } from "@/app/pages";
import { auditSearch } from "@/features/audit/search";
import { StreamPage } from "@/features/audit/stream-page";

export const Route = createFileRoute("/_app/admin/streams/$streamId")({
  ...page({ name: "audit", role: "auditor" }),
  validateSearch: auditSearch,
  component: StreamPage,
});
