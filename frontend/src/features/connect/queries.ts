import { queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data } from "@/api/data";

export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: () => data(client.GET("/api/oauth/keys")),
});

export const runtimeQuery = queryOptions({
  queryKey: ["runtime"],
  queryFn: () => data(client.GET("/api/config/runtime")),
  staleTime: Number.POSITIVE_INFINITY,
});

const EVERY = 1500; // milliseconds; the hub streams calls to those who read everybody's, and to nobody their own

/** The caller's newest calls; with a time, those since then, asked for again and again until there is one. */
export const callsQuery = (since: string | null) =>
  queryOptions({
    queryKey: ["calls", since],
    queryFn: () =>
      data(
        client.GET("/api/requests", {
          params: { query: since === null ? { limit: 1 } : { from: since, limit: 50 } },
        }),
      ),
    // The list of tools comes after the greeting, so it is looked at a few times more.
    refetchInterval: ({ state }) =>
      since === null || state.data?.some(({ shown }) => shown !== null) ? false : EVERY,
    refetchIntervalInBackground: true, // one looks at the client meanwhile
  });
