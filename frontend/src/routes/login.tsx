import { createFileRoute, redirect } from "@tanstack/react-router";
import * as v from "valibot";
import { meQuery, safeNext } from "@/app/session";
import { LoginPage } from "@/features/sign-in/login-page";

const search = v.object({ next: v.optional(v.fallback(v.string(), "")) });

export const Route = createFileRoute("/login")({
  staticData: { page: { name: "signIn", role: "user" } },
  validateSearch: search,
  beforeLoad: async ({ context, search: { next } }) => {
    const me = await context.queryClient.fetchQuery(meQuery).catch(() => null);
    if (me) throw redirect({ href: safeNext(next), replace: true });
  },
  component: LoginPage,
});
