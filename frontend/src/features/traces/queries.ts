import { queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data } from "@/api/data";

/** All that came of one cause. */
export const traceQuery = (id: string) =>
  queryOptions({
    queryKey: ["traces", id],
    queryFn: () => data(client.GET("/api/audit/traces/{trace_id}", { params: { path: { trace_id: id } } })),
  });
