import { createFileRoute } from "@tanstack/react-router";
import { Radio } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { SessionsPage } from "@/features/sessions/sessions-page";

const text = v.optional(v.fallback(v.string(), ""));
const tab = v.optional(v.fallback(v.picklist(["sessions", "upstreams"]), "sessions"));

export const Route = createFileRoute("/_app/admin/sessions")({
  ...page({ name: "sessions", icon: Radio, group: "observe", order: 20, role: "admin" }),
  validateSearch: v.object({ q: text, tab, e: text }),
  component: SessionsPage,
});
