import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data, whole } from "@/api/data";
import { binsOf, SPANS, type SpanName, windowOf } from "./model";

const EVERY = 5_000; // milliseconds
const COUNTED = 200; // tool changes; the most the hub gives at once

/** Everybody's calls of a period: over all, how many are under way, and their course. */
export const callsQuery = (span: SpanName) =>
  queryOptions({
    queryKey: ["overview", "calls", span],
    queryFn: async () => {
      const { step } = SPANS[span];
      const window = windowOf(span, new Date());
      const query = { all: true, from: window.from.toISOString(), to: window.to.toISOString() };
      const [all, course] = await Promise.all([
        whole(client.GET("/api/requests/stats", { params: { query } })),
        data(
          client.GET("/api/requests/stats", { params: { query: { ...query, by: "time", bucket: step } } }),
        ),
      ]);
      return { figures: all.data[0], pending: all.pending ?? 0, bins: binsOf(course, window, step) };
    },
    refetchInterval: EVERY,
    placeholderData: keepPreviousData,
  });

export const totalsQuery = queryOptions({
  queryKey: ["overview", "totals"],
  queryFn: () => data(client.GET("/api/admin/stats")),
  refetchInterval: EVERY,
});

/** Users nobody has let in yet. */
export const waitingUsersQuery = queryOptions({
  queryKey: ["overview", "waiting-users"],
  queryFn: async () => {
    const answer = await whole(client.GET("/api/admin/users", { params: { query: { limit: 1 } } }));
    return answer.counts.pending;
  },
  refetchInterval: EVERY,
});

/** Tools that wait for approval; `more`: there are more than were counted. */
export const waitingToolsQuery = queryOptions({
  queryKey: ["overview", "waiting-tools"],
  queryFn: async () => {
    const answer = await whole(
      client.GET("/api/admin/tool-changes", { params: { query: { limit: COUNTED } } }),
    );
    return { count: answer.data.changes.length, more: Boolean(answer.page.next) };
  },
  refetchInterval: EVERY,
});
