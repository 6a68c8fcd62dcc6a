import { createFileRoute } from "@tanstack/react-router";
import { page } from "@/app/pages";
import { ProjectionPage } from "@/features/projections/projection-page";

export const Route = createFileRoute("/_app/admin/projections/$name")({
  ...page({ name: "projections", role: "admin" }),
  component: ProjectionPage,
});
