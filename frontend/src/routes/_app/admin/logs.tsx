import { createFileRoute } from "@tanstack/react-router";
import { ScrollText } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { LogsPage } from "@/features/logs/logs-page";

const text = v.optional(v.fallback(v.string(), ""));
const live = v.optional(v.fallback(v.picklist(["on", "off"]), "on"));
// The router reads a lone figure as a number.
const wrap = v.optional(v.fallback(v.pipe(v.union([v.string(), v.number()]), v.transform(String)), ""));

export const Route = createFileRoute("/_app/admin/logs")({
  ...page({ name: "logs", icon: ScrollText, group: "observe", order: 80, role: "admin" }),
  /** `e` is the line that is looked at. */
  validateSearch: v.object({ q: text, live, wrap, e: text }),
  component: LogsPage,
});
