import { createFileRoute } from "@tanstack/react-router";
import { LayoutDashboard } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { RecentEvents } from "@/features/audit/recent-events";
import { OverviewPage } from "@/features/overview/overview-page";

const span = v.optional(v.fallback(v.picklist(["1h", "24h", "7d"]), "24h"));

export const Route = createFileRoute("/_app/admin/")({
  ...page({ name: "overview", icon: LayoutDashboard, group: "observe", order: 10, role: "admin" }),
  validateSearch: v.object({ span }),
  component: Overview,
});

function Overview() {
  return <OverviewPage events={<RecentEvents />} />;
}
