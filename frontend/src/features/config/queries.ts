import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data, whole } from "@/api/data";
import type { Schema } from "./schema";

const EVERY = 15_000; // milliseconds; what others save while one types is noticed by then

export const fileQuery = queryOptions({
  queryKey: ["config", "file"],
  queryFn: () => data(client.GET("/api/admin/settings-file")),
  refetchInterval: EVERY,
});

export const schemaQuery = queryOptions({
  queryKey: ["config", "schema"],
  queryFn: async () => (await data(client.GET("/api/admin/settings-file/schema"))) as Schema,
  staleTime: Number.POSITIVE_INFINITY,
});

export const hubVariablesQuery = queryOptions({
  queryKey: ["config", "hub-variables"],
  queryFn: () => data(client.GET("/api/admin/hub-variables")),
});

/** What the save of a text would record; the hub is asked, and records nothing. */
export const previewQuery = (text: string, version: number) =>
  queryOptions({
    queryKey: ["config", "preview", version, text],
    queryFn: () =>
      data(
        client.PUT("/api/admin/settings-file", {
          params: { query: { dryRun: true }, header: { "If-Match": `"${version}"` } },
          body: { text },
        }),
      ),
    gcTime: 0, // what was typed is not kept behind the page
    staleTime: Number.POSITIVE_INFINITY,
  });

export const versionsQuery = infiniteQueryOptions({
  queryKey: ["config", "versions"],
  queryFn: ({ pageParam }) =>
    whole(client.GET("/api/admin/settings-file/versions", { params: { query: { cursor: pageParam } } })),
  initialPageParam: "",
  getNextPageParam: (last) => last.page.next ?? undefined,
});

/** The newest change, for who made it. */
export const newestQuery = (version: number) =>
  queryOptions({
    queryKey: ["config", "versions", "newest", version],
    queryFn: () => data(client.GET("/api/admin/settings-file/versions", { params: { query: { limit: 1 } } })),
  });

/** The document at a version, which never changes. */
export const versionQuery = (version: number) =>
  queryOptions({
    queryKey: ["config", "version", version],
    queryFn: () =>
      data(client.GET("/api/admin/settings-file/versions/{version}", { params: { path: { version } } })),
    staleTime: Number.POSITIVE_INFINITY,
  });

/** What bringing a version back would record. */
export const restorePreviewQuery = (version: number, present: number) =>
  queryOptions({
    queryKey: ["config", "restore-preview", version, present],
    queryFn: () =>
      data(
        client.POST("/api/admin/settings-file/versions/{version}/restore", {
          params: {
            path: { version },
            query: { dryRun: true },
            header: { "If-Match": `"${present}"` },
          },
          body: {},
        }),
      ),
    gcTime: 0,
  });
