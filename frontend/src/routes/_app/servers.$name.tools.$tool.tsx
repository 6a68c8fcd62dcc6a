import { createFileRoute } from "@tanstack/react-router";
import * as v from "valibot";
import { page } from "@/app/pages";
import { ToolPage } from "@/features/tools/tool-page";

const input = v.optional(v.fallback(v.picklist(["form", "json"]), "form"));

export const Route = createFileRoute("/_app/servers/$name/tools/$tool")({
  ...page({ name: "servers", role: "user" }),
  validateSearch: v.object({ input }),
  component: ToolPage,
});
