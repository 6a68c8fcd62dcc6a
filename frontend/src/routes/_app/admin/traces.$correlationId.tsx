import { createFileRoute } from "@tanstack/react-router";
import { page } from "@/app/pages";
import { TracePage } from "@/features/traces/trace-page";

export const Route = createFileRoute("/_app/admin/traces/$correlationId")({
  ...page({ name: "trace", role: "auditor" }),
  component: TracePage,
});
