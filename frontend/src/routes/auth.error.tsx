import { createFileRoute } from "@tanstack/react-router";
import * as v from "valibot";
import { RefusedPage } from "@/features/sign-in/refused-page";

const search = v.object({ code: v.optional(v.fallback(v.string(), "")) });

export const Route = createFileRoute("/auth/error")({
  staticData: { page: { name: "error", role: "user" } },
  validateSearch: search,
  component: RefusedPage,
});
