import { queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data, whole } from "@/api/data";
import type { ConnectionTest } from "@/api/schema.gen";
import { sectionsOf } from "./model";

/** What is asked for, what is saved, and which servers that is for: one question to the page, three to the hub. */
export const sectionsQuery = queryOptions({
  queryKey: ["settings", "sections"],
  queryFn: async () => {
    const [templates, values, servers] = await Promise.all([
      whole(client.GET("/api/env-templates")),
      whole(client.GET("/api/user-env-vars")),
      data(client.GET("/api/servers", { params: { query: { all: true } } })),
    ]);
    return sectionsOf(templates, values, servers);
  },
});

/** The last test of a server since the page was loaded; the hub keeps none. Never asked for, only put here. */
export const testQuery = (server: string) =>
  queryOptions<ConnectionTest | null>({
    queryKey: ["settings", "test", server],
    queryFn: () => null,
    enabled: false,
    initialData: null,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: Number.POSITIVE_INFINITY,
  });
