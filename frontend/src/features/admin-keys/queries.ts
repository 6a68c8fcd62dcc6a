import { infiniteQueryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { whole } from "@/api/data";

const PAGE = 200; // users; the most the hub gives at once

/** Everybody's keys by owner, page by page.
 *
 * @param every also of owners of whose keys none works.
 */
export const userKeysQuery = (q: string, every: boolean) =>
  infiniteQueryOptions({
    queryKey: ["user-keys", { q, every }],
    queryFn: ({ pageParam }) =>
      whole(
        client.GET("/api/admin/user-keys", {
          params: { query: { q, state: every ? "all" : "hasKey", limit: PAGE, cursor: pageParam } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: ({ page }) => page.next ?? undefined,
  });
