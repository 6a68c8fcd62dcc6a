import { createFileRoute } from "@tanstack/react-router";
import * as v from "valibot";
import { page } from "@/app/pages";
import { ServerPage } from "@/features/servers/server-page";

const text = v.optional(v.fallback(v.string(), ""));
const tab = v.optional(v.fallback(v.picklist(["overview", "tools", "settings", "requests"]), "overview"));

export const Route = createFileRoute("/_app/servers/$name/")({
  ...page({ name: "servers", role: "user" }),
  validateSearch: v.object({ tab, q: text, e: text }),
  component: ServerPage,
});
