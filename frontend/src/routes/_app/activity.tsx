import { createFileRoute } from "@tanstack/react-router";
import { History } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { ActivityPage } from "@/features/activity/activity-page";
import { OwnEvents } from "@/features/activity/own-events";
import { OwnRequests } from "@/features/requests/own-requests";
import { requestsSearch } from "@/features/requests/search";

const tab = v.optional(v.fallback(v.picklist(["requests", "events"]), "requests"));

export const Route = createFileRoute("/_app/activity")({
  ...page({ name: "activity", icon: History, group: "work", order: 60, role: "user" }),
  validateSearch: v.object({ ...requestsSearch.entries, tab }),
  component: () => <ActivityPage requests={<OwnRequests />} events={<OwnEvents />} />,
});
