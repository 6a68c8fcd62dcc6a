import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { client } from "./client";
import { data, whole } from "./data";
import type { PastChange } from "./schema.gen";

export type Section = PastChange["section"];

const EVERY = 30_000; // milliseconds between two looks at how much came later
const PAGE = 200; // things; the most the hub gives at once

/** Which event a time stands behind, and how many came later. */
export const momentQuery = (at: string) =>
  queryOptions({
    queryKey: ["past", "moment", at],
    queryFn: () => data(client.GET("/api/audit/moment", { params: { query: { at } } })),
    refetchInterval: EVERY,
    retry: false,
    placeholderData: keepPreviousData,
  });

/** The things of one kind there were, page by page.
 *
 * @param user an id, for what was this user's; "" for everybody's.
 */
export const stateQuery = (at: string, section: Section, { user = "", q = "" } = {}) =>
  infiniteQueryOptions({
    queryKey: ["past", "state", at, section, user, q],
    queryFn: ({ pageParam }) =>
      whole(
        client.GET("/api/audit/state", {
          params: { query: { at, section: [section], user, q, limit: PAGE, cursor: pageParam } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: ({ page }) => page.next ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    retry: false,
    placeholderData: keepPreviousData,
  });

/** What changed between two times; `to` is "" for now. */
export const diffQuery = (from: string, to: string, section: Section | "") =>
  infiniteQueryOptions({
    queryKey: ["past", "diff", from, to, section],
    queryFn: ({ pageParam }) =>
      whole(
        client.GET("/api/audit/diff", {
          params: {
            query: {
              from,
              to: pageParam.to,
              ...(section ? { section: [section] } : {}),
              limit: PAGE,
              cursor: pageParam.cursor,
            },
          },
        }),
      ),
    initialPageParam: { to, cursor: "" },
    // What happens meanwhile does not move the pages that are left.
    getNextPageParam: ({ data: { to: reached }, page }) =>
      page.next ? { to: String(reached.position), cursor: page.next } : undefined,
    refetchOnWindowFocus: false,
    retry: false,
    placeholderData: keepPreviousData,
  });

/** What the reader's own client would have seen. */
export const ownAccessQuery = (at: string) =>
  queryOptions({
    queryKey: ["past", "access", at],
    queryFn: () => data(client.GET("/api/user/access", { params: { query: { url: "/mcp", at } } })),
    retry: false,
  });
