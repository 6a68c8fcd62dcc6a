import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data, whole } from "@/api/data";
import { type Filters, lineOf } from "./model";

const PAGE = 500;

/** Lines that are there already, newest page first; the stream goes on behind `head` of the first. */
export const logsQuery = (filters: Filters) =>
  infiniteQueryOptions({
    queryKey: ["logs", filters],
    queryFn: async ({ pageParam }) => {
      const before = pageParam === 0 ? {} : { before: pageParam };
      const answer = await whole(
        client.GET("/api/logs", { params: { query: { ...filters, ...before, limit: PAGE } } }),
      );
      return { head: answer.head, lines: answer.data.map(lineOf).reverse() };
    },
    initialPageParam: 0,
    getNextPageParam: ({ lines }) => (lines.length === PAGE ? lines[0]?.n : undefined),
    // The stream goes on behind it: asked again it would only be the same.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    refetchOnWindowFocus: false,
  });

/** The lines before and after one, whatever they are. */
export const aroundQuery = (n: number) =>
  queryOptions({
    queryKey: ["logs", "around", n],
    queryFn: async () => {
      const records = await data(client.GET("/api/logs", { params: { query: { around: n } } }));
      return records.map(lineOf).reverse();
    },
  });

export function streamPath(filters: Filters): string {
  const query = new URLSearchParams(Object.entries(filters)).toString();
  return `/api/logs/stream${query ? `?${query}` : ""}`;
}
