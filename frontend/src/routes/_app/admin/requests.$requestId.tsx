import { createFileRoute } from "@tanstack/react-router";
import { page } from "@/app/pages";
import { RequestPage } from "@/features/requests/request-page";

export const Route = createFileRoute("/_app/admin/requests/$requestId")({
  ...page({ name: "requests", role: "auditor" }),
  component: RequestPage,
});
