import { createFileRoute } from "@tanstack/react-router";
import * as v from "valibot";
import { page } from "@/app/pages";
import { HistoryPage } from "@/features/config/history-page";

const search = v.object({
  /** The version that is looked at, and the one it is compared with; 0 for the newest, and for the one before. */
  v: v.optional(v.fallback(v.number(), 0)),
  against: v.optional(v.fallback(v.number(), 0)),
});

export const Route = createFileRoute("/_app/admin/config/history")({
  ...page({ name: "configHistory", role: "admin" }),
  validateSearch: search,
  component: HistoryPage,
});
