import { queryOptions } from "@tanstack/react-query";
import { client } from "./client";
import { data } from "./data";

const EVERY = 5_000; // milliseconds; the hub has no stream of what servers do

/** The servers the reader may see, with their tools as far as they were listed; all of them for an administrator. */
export const serversQuery = queryOptions({
  queryKey: ["servers", "all"],
  queryFn: () => data(client.GET("/api/servers")),
  refetchInterval: EVERY,
});

/** One of them, also when no active group of the reader has it. */
export const serverQuery = (name: string) =>
  queryOptions({
    queryKey: ["servers", "one", name],
    queryFn: () => data(client.GET("/api/servers/{name}", { params: { path: { name } } })),
    refetchInterval: EVERY,
  });
