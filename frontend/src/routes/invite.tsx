import { createFileRoute } from "@tanstack/react-router";
import { InvitePage } from "@/features/sign-in/link-pages";

export const Route = createFileRoute("/invite")({
  staticData: { page: { name: "invitation", role: "user" } },
  component: InvitePage,
});
