import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client } from "@/api/client";
import type { LiveSession, UpstreamRuntime } from "@/api/schema.gen";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { sessionsTexts } from "@/i18n/sessions";
import { runtimesQuery } from "./queries";

/** Ends a client's session; the stream of sessions shows that it is gone. */
export function useEndSession() {
  const m = useMessages(sessionsTexts);
  const toast = useToast();
  return useMutation({
    mutationFn: ({ id }: LiveSession) =>
      client.DELETE("/api/admin/sessions/{session_id}", { params: { path: { session_id: id } } }),
    onSuccess: (_, { username }) => toast.done(m.sessions.endedOne(username)),
  });
}

/** Ends a process or connection of a server. */
export function useEndRuntime() {
  const m = useMessages(sessionsTexts);
  const toast = useToast();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ id, server }: UpstreamRuntime) =>
      client.DELETE("/api/admin/upstream-sessions/{name}/{runtime_id}", {
        params: { path: { name: server, runtime_id: id } },
      }),
    onSuccess: (_, { server }) => toast.done(m.sessions.endedRuntime(server)),
    onSettled: () => queries.invalidateQueries({ queryKey: runtimesQuery.queryKey }),
  });
}
