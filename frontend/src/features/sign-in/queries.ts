import { queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data } from "@/api/data";

export const loginConfigQuery = queryOptions({
  queryKey: ["login-config"],
  queryFn: () => data(client.GET("/login/config")),
});

export const healthQuery = queryOptions({
  queryKey: ["health"],
  queryFn: () => data(client.GET("/api/health")),
});
