import { createFileRoute } from "@tanstack/react-router";
import { page } from "@/app/pages";
import { GroupPage } from "@/features/groups/group-page";

export const Route = createFileRoute("/_app/user-groups/$groupId")({
  ...page({ name: "groups", role: "user" }),
  component: GroupPage,
});
