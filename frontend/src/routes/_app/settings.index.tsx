import { createFileRoute } from "@tanstack/react-router";
import { KeyRound } from "lucide-react";
import * as v from "valibot";
import { page } from "@/app/pages";
import { SettingsPage } from "@/features/settings/settings-page";

const search = v.object({ q: v.optional(v.fallback(v.string(), "")) });

export const Route = createFileRoute("/_app/settings/")({
  ...page({ name: "settings", icon: KeyRound, group: "work", order: 20, role: "user" }),
  validateSearch: search,
  component: SettingsPage,
});
