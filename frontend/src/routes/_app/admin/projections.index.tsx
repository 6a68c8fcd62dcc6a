import { createFileRoute } from "@tanstack/react-router";
import { DatabaseZap } from "lucide-react";
import { page } from "@/app/pages";
import { ProjectionsPage } from "@/features/projections/projections-page";

export const Route = createFileRoute("/_app/admin/projections/")({
  ...page({ name: "projections", icon: DatabaseZap, group: "observe", order: 70, role: "admin" }),
  component: ProjectionsPage,
});
