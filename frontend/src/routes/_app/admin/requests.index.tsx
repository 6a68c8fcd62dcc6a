import { createFileRoute } from "@tanstack/react-router";
import { Activity } from "lucide-react";
import { page } from "@/app/pages";
import { RequestsPage } from "@/features/requests/requests-page";
import { requestsSearch } from "@/features/requests/search";

export const Route = createFileRoute("/_app/admin/requests/")({
  ...page({ name: "requests", icon: Activity, group: "observe", order: 30, role: "auditor" }),
  validateSearch: requestsSearch,
  component: RequestsPage,
});
