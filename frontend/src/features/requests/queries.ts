import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data, whole } from "@/api/data";
import { before, bucketOf, type Filters, type SpanName, type Window, windowOf } from "./model";

export type Range = { span: SpanName } | Window;
export type By = "" | "user" | "server" | "tool" | "time";

/** What is asked for: of whom, when, and whether it goes on. */
export interface Asked {
  all: boolean;
  filters: Filters;
  range: Range;
  live: boolean;
}

const ROWS = 100;
const EVERY = 2_000; // milliseconds; of everybody's requests the hub has no stream
const FIGURES_EVERY = {
  "15m": 3_000,
  "1h": 5_000,
  "3h": 5_000,
  "24h": 20_000,
  "7d": 60_000,
  "30d": 300_000,
} as const;
const MOST_LIVE_PAGES = 3;

function everySoOften({ live, range }: Asked): number | false {
  return live && "span" in range ? FIGURES_EVERY[range.span] : false;
}

const query = ({ all, filters }: Asked, { from, to }: Window) => ({
  ...filters,
  all,
  from: from.toISOString(),
  to: to.toISOString(),
});

/** Is a list short enough to be asked for again? One that somebody pages through stands still. */
export const goesOn = (pages: unknown[] = []) => pages.length <= MOST_LIVE_PAGES;

export const ownRowsKey = ["requests", "rows", false] as const;

/** The newest requests, page by page. While everybody's are live the newest are asked for again; see `useOwnBell`. */
export const requestsQuery = (asked: Asked) =>
  infiniteQueryOptions({
    queryKey: ["requests", "rows", asked.all, asked.filters, asked.range],
    queryFn: ({ pageParam }) => {
      const { from, to } = windowOf(asked.range, new Date());
      // A live list has no end: what comes in meanwhile belongs to it.
      const until = "span" in asked.range ? {} : { to: to.toISOString() };
      const cursor = pageParam === "" ? {} : { cursor: pageParam };
      return whole(
        client.GET("/api/requests", {
          params: {
            query: {
              ...asked.filters,
              all: asked.all,
              from: from.toISOString(),
              ...until,
              ...cursor,
              limit: ROWS,
            },
          },
        }),
      );
    },
    initialPageParam: "",
    getNextPageParam: ({ page }) => page.next ?? undefined,
    refetchInterval: ({ state }) => (asked.all && asked.live && goesOn(state.data?.pages) ? EVERY : false),
    placeholderData: keepPreviousData,
  });

/** Figures of the period, by something or over all. `shift` is the period before. */
export const figuresQuery = (asked: Asked, by: By, { shift = false, enabled = true } = {}) =>
  queryOptions({
    queryKey: ["requests", "figures", asked.all, asked.filters, asked.range, by, shift],
    queryFn: async () => {
      const now = windowOf(asked.range, new Date());
      const window = shift ? before(now) : now;
      const bucket = bucketOf(now);
      const answer = await whole(
        client.GET("/api/requests/stats", { params: { query: { ...query(asked, window), by, bucket } } }),
      );
      return { figures: answer.data, pending: answer.pending, window, bucket };
    },
    enabled,
    refetchInterval: everySoOften(asked),
    placeholderData: keepPreviousData,
  });

/** One request; one that still runs is asked for until it has ended. */
export const requestQuery = (id: string) =>
  queryOptions({
    queryKey: ["requests", "one", id],
    queryFn: () => data(client.GET("/api/requests/{request_id}", { params: { path: { request_id: id } } })),
    refetchInterval: ({ state }) => (state.data?.status === "Pending" ? EVERY : false),
  });

/** What a request was made with and what was answered. Each look of an administrator is noted, so there is no second one. */
export const payloadQuery = (id: string) =>
  queryOptions({
    queryKey: ["requests", "payload", id],
    queryFn: () =>
      data(client.GET("/api/requests/payloads/{request_id}", { params: { path: { request_id: id } } })),
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
  });
