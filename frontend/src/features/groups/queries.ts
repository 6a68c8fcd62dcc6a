import { queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data } from "@/api/data";

export const groupsQuery = queryOptions({
  queryKey: ["groups"],
  queryFn: () => data(client.GET("/api/user/groups")),
});

/** Every server that is meant for the reader, whatever groups say: what a group may hold. */
export const choicesQuery = queryOptions({
  queryKey: ["servers", "choices"],
  queryFn: () => data(client.GET("/api/servers", { params: { query: { all: true } } })),
});

// As the hub has it.
export const MOST_NAME = 100;
export const MOST_DESCRIPTION = 500;
