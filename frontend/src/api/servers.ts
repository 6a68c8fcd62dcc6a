import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { client } from "./client";
import { data } from "./data";

const EVERY = 5_000; // milliseconds; the hub has no stream of what servers do

/** The servers there are for the reader, also those no active group has, with their tools as far as they were listed. */
export const serversQuery = queryOptions({
  queryKey: ["servers", "all"],
  queryFn: () => data(client.GET("/api/servers", { params: { query: { all: true } } })),
  refetchInterval: EVERY,
});

/** One of them, also when no active group of the reader has it. */
export const serverQuery = (name: string) =>
  queryOptions({
    queryKey: ["servers", "one", name],
    queryFn: () => data(client.GET("/api/servers/{name}", { params: { path: { name } } })),
    refetchInterval: EVERY,
  });

/** Asks a server for its tools as the reader's client would; the answer says why when it gave none. */
export function useListTools(server: string) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: () => data(client.POST("/api/servers/{name}/tools", { params: { path: { name: server } } })),
    onSettled: () => queries.invalidateQueries({ queryKey: ["servers"] }),
  });
}
