import { infiniteQueryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { whole } from "@/api/data";

const ROWS = 100;

/**
 * Events of the reader, newest first.
 *
 * @param all the reader may read everybody's, so that their own have to be asked for.
 */
export const ownEventsQuery = (all: boolean) =>
  infiniteQueryOptions({
    queryKey: ["activity", "events", all],
    queryFn: ({ pageParam }) =>
      whole(
        client.GET("/api/audit", {
          params: { query: { ...(all ? { actor: ["me"] } : {}), limit: ROWS, cursor: pageParam } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: ({ page }) => page.next ?? undefined,
  });
