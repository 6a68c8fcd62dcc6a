import { queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data } from "@/api/data";

export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: () => data(client.GET("/api/oauth/keys")),
});

export const runtimeQuery = queryOptions({
  queryKey: ["runtime"],
  queryFn: () => data(client.GET("/api/config/runtime")),
  staleTime: Number.POSITIVE_INFINITY,
});

/** The caller's newest call. */
export const lastCallQuery = queryOptions({
  queryKey: ["calls", "last"],
  queryFn: () => data(client.GET("/api/requests", { params: { query: { limit: 1 } } })),
});
