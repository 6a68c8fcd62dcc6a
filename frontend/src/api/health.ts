import { queryOptions } from "@tanstack/react-query";
import { client } from "./client";
import { data } from "./data";

const EVERY = 15_000; // milliseconds

/** How each part of the hub is doing; for administrators. */
export const healthQuery = queryOptions({
  queryKey: ["health-report"],
  queryFn: () => data(client.GET("/api/admin/health")),
  refetchInterval: EVERY,
});

/** The hubs on this database; for administrators. */
export const nodesQuery = queryOptions({
  queryKey: ["hub-nodes"],
  queryFn: () => data(client.GET("/api/admin/nodes")),
  refetchInterval: EVERY,
});
