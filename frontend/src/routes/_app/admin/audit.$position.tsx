import { createFileRoute } from "@tanstack/react-router";
import { page } from "@/app/pages";
import { EventPage } from "@/features/audit/event-page";

export const Route = createFileRoute("/_app/admin/audit/$position")({
  ...page({ name: "audit", role: "auditor" }),
  component: EventPage,
});
