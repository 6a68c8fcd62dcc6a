import { queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data } from "@/api/data";

export const sessionsQuery = queryOptions({
  queryKey: ["my-sessions"],
  queryFn: () => data(client.GET("/api/user/sessions")),
});
