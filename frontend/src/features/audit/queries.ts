import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data, whole } from "@/api/data";
import { type Asked, SPANS, type SpanName } from "./model";

const PAGE = 100;
const EVERY = 15_000; // milliseconds between two looks at how much there was

/** What is looked for: conditions, and when. */
export interface Sought {
  asked: Asked;
  span: SpanName;
  window: { from: Date; to: Date } | null;
}

function timeOf({ span, window }: Sought): { from?: string; to?: string } {
  if (window) return { from: window.from.toISOString(), to: window.to.toISOString() };
  return span === "all" ? {} : { from: new Date(Date.now() - SPANS[span] * 1000).toISOString() };
}

// The hub takes one text and one kind, and of everything else as many values as come.
function conditions({ q, kind, ...lists }: Asked) {
  return { ...lists, ...(q ? { q: q[0] } : {}), ...(kind ? { kind: kind[0] as "fact" | "access" } : {}) };
}

/** @param upto the position of the newest event that is shown; null for all there are. */
export const timelineQuery = (sought: Sought, upto: number | null) =>
  infiniteQueryOptions({
    queryKey: ["audit", "timeline", sought, upto],
    queryFn: ({ pageParam }) =>
      whole(
        client.GET("/api/audit", {
          params: {
            query: { ...conditions(sought.asked), ...timeOf(sought), limit: PAGE, cursor: pageParam },
          },
        }),
      ),
    initialPageParam: upto === null ? "" : String(upto + 1), // a page begins before its cursor
    getNextPageParam: ({ page }) => page.next,
    // The stream goes on behind the first page; to load it again would be to ask twice.
    staleTime: Number.POSITIVE_INFINITY,
    refetchOnWindowFocus: false,
    placeholderData: keepPreviousData,
  });

export const histogramQuery = (sought: Sought, live: boolean) =>
  queryOptions({
    queryKey: ["audit", "histogram", sought],
    queryFn: () =>
      whole(
        client.GET("/api/audit/histogram", {
          params: { query: { ...conditions(sought.asked), ...timeOf(sought) } },
        }),
      ),
    refetchInterval: live ? EVERY : false,
    placeholderData: keepPreviousData,
  });

export const factQuery = (position: number) =>
  queryOptions({
    queryKey: ["audit", "fact", position],
    queryFn: async () =>
      (await whole(client.GET("/api/audit/{position}", { params: { path: { position } } }))).detail,
  });

/** What undoing an event would change; asked anew each time, as everything may have changed since. */
export const undoPreviewQuery = (position: number) =>
  queryOptions({
    queryKey: ["audit", "undo", position],
    queryFn: () => data(client.GET("/api/audit/{position}/undo", { params: { path: { position } } })),
    gcTime: 0,
    staleTime: 0,
    retry: false,
    refetchOnWindowFocus: false,
  });

/** Where what is looked for is followed. */
export function streamPath(asked: Asked): string {
  const text = new URLSearchParams(parameters(asked)).toString();
  return `/api/events/stream${text ? `?${text}` : ""}`;
}

/** Where what is looked for is had as a file. */
export function exportPath(sought: Sought, format: "ndjson" | "csv"): string {
  const query = [...parameters(sought.asked), ...Object.entries(timeOf(sought)), ["format", format]];
  return `/api/audit/export?${new URLSearchParams(query)}`;
}

function parameters(asked: Asked): string[][] {
  return Object.entries(asked).flatMap(([key, values]) => values.map((value) => [key, value]));
}
