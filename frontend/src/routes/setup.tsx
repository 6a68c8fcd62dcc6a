import { createFileRoute } from "@tanstack/react-router";
import { SetUpPage } from "@/features/sign-in/link-pages";

export const Route = createFileRoute("/setup")({
  staticData: { page: { name: "setUp", role: "user" } },
  component: SetUpPage,
});
