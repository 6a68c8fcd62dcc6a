import { queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data, whole } from "@/api/data";

const EVERY = 15_000; // milliseconds

/** Calls of the last day by server: everybody's for those who may read them, else one's own. */
export const figuresQuery = (all: boolean) =>
  queryOptions({
    queryKey: ["servers", "figures", all],
    queryFn: () =>
      data(
        client.GET("/api/requests/stats", {
          params: { query: { by: "server", method: "tools/call", ...(all ? { all } : {}) } },
        }),
      ),
    refetchInterval: EVERY,
  });

/** How the hub's connections to servers are doing; for administrators. */
export const upstreamsQuery = queryOptions({
  queryKey: ["servers", "upstreams"],
  queryFn: () => data(client.GET("/api/admin/upstream-status")),
  refetchInterval: EVERY,
});

/** Tools by the search that clients use, best first; nothing is asked for a single letter. */
export const bestToolsQuery = (q: string) =>
  queryOptions({
    queryKey: ["servers", "tools", q],
    queryFn: () => data(client.GET("/api/tools", { params: { query: { q } } })),
    enabled: [...q].length > 1,
    staleTime: EVERY,
  });

/** The newest requests that went to a server. */
export const serverRequestsQuery = (server: string, all: boolean) =>
  queryOptions({
    queryKey: ["servers", "requests", server, all],
    queryFn: () =>
      whole(
        client.GET("/api/requests", { params: { query: { server, limit: 100, ...(all ? { all } : {}) } } }),
      ),
    refetchInterval: EVERY,
  });
