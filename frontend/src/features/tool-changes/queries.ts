import { infiniteQueryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { whole } from "@/api/data";

const EVERY = 10_000; // milliseconds

export interface ChangesSearch {
  state: "waiting" | "all";
  server: string;
}

/** What servers changed of their tools, newest first, page by page. */
export const changesQuery = ({ state, server }: ChangesSearch) =>
  infiniteQueryOptions({
    queryKey: ["tool-changes", state, server],
    queryFn: ({ pageParam }) =>
      whole(
        client.GET("/api/admin/tool-changes", {
          params: { query: { state, server, limit: 100, ...(pageParam ? { cursor: pageParam } : {}) } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: ({ page }) => page.next ?? undefined,
    refetchInterval: EVERY,
  });
