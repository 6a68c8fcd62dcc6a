import { queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data, whole } from "@/api/data";

const EVERY = 3_000; // milliseconds
const RECENT = 300; // seconds
const STEP = 15; // seconds

export const runtimesQuery = queryOptions({
  queryKey: ["upstream-sessions"],
  queryFn: () => whole(client.GET("/api/admin/upstream-sessions")),
  refetchInterval: EVERY,
});

/** Everybody's requests of the last five minutes: over all, and how many ended in each quarter of a minute. */
export const recentQuery = queryOptions({
  queryKey: ["sessions", "recent"],
  queryFn: async () => {
    const to = new Date();
    const from = new Date(Math.floor((to.getTime() / 1000 - RECENT) / STEP) * STEP * 1000);
    const asked = { all: true, from: from.toISOString(), to: to.toISOString() };
    const [all, course] = await Promise.all([
      data(client.GET("/api/requests/stats", { params: { query: asked } })),
      data(client.GET("/api/requests/stats", { params: { query: { ...asked, by: "time", bucket: STEP } } })),
    ]);
    const counts = new Map(course.map(({ at, count }) => [at ? Date.parse(at) : 0, count]));
    const bins = Array.from(
      { length: RECENT / STEP },
      (_, bin) => counts.get(from.getTime() + bin * STEP * 1000) ?? 0,
    );
    return { figures: all[0], bins, minutes: (to.getTime() - from.getTime()) / 60_000 };
  },
  refetchInterval: EVERY,
});
