import { createFileRoute } from "@tanstack/react-router";
import { UserRoundCheck } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { WhoCouldPage } from "@/features/access/who-could-page";
import { atSearch } from "@/lib/at";

const text = v.optional(v.fallback(v.string(), ""));

export const Route = createFileRoute("/_app/admin/who-could")({
  ...page({ name: "whoCould", icon: UserRoundCheck, group: "observe", order: 46, role: "auditor" }),
  validateSearch: v.object({
    server: text,
    tool: text,
    q: text,
    at: atSearch,
    who: v.optional(v.fallback(v.picklist(["could", "all"]), "could")),
  }),
  component: WhoCouldPage,
});
