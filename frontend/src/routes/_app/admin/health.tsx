import { createFileRoute } from "@tanstack/react-router";
import { HeartPulse } from "lucide-react";
import { page } from "@/app/pages";
import { HealthPage } from "@/features/health/health-page";

export const Route = createFileRoute("/_app/admin/health")({
  ...page({ name: "health", icon: HeartPulse, group: "observe", order: 90, role: "admin" }),
  component: HealthPage,
});
