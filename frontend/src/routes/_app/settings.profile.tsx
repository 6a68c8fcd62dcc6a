import { createFileRoute } from "@tanstack/react-router";
import { CircleUser } from "lucide-react";
import { page } from "@/app/pages";
import { ProfilePage } from "@/features/profile/profile-page";

export const Route = createFileRoute("/_app/settings/profile")({
  ...page({ name: "profile", icon: CircleUser, group: "work", order: 70, role: "user" }),
  component: ProfilePage,
});
