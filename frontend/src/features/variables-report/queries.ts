import { queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data } from "@/api/data";

const EVERY = 30_000; // milliseconds; somebody may be entering what is missing

export const usageQuery = queryOptions({
  queryKey: ["variables", "usage"],
  queryFn: () => data(client.GET("/api/env-vars/report")),
  refetchInterval: EVERY,
});

/** Opens values whose form may no longer fit, so it is asked for by the page that shows it, and not again and again. */
export const issuesQuery = queryOptions({
  queryKey: ["variables", "issues"],
  queryFn: () => data(client.GET("/api/env-vars/validate")),
});

/** What a clean-up would take now: by the function that takes it. */
export const orphansQuery = queryOptions({
  queryKey: ["variables", "orphans"],
  queryFn: () => data(client.POST("/api/env-vars/cleanup", { body: { dryRun: true } })),
  gcTime: 0,
});

export const hubVariablesQuery = queryOptions({
  queryKey: ["variables", "hub"],
  queryFn: () => data(client.GET("/api/admin/hub-variables")),
});

export const scheduleQuery = queryOptions({
  queryKey: ["variables", "schedule"],
  queryFn: () => data(client.GET("/api/admin/env-scheduler/status")),
});
