import { keepPreviousData, queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import { data } from "@/api/data";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { audiencesTexts } from "@/i18n/audiences";
import type { Audience } from "./model";

/** How many an audience takes in, and whom it would cut off; nothing is saved by asking. */
export const reachQuery = (server: string, version: number, audience: Audience) =>
  queryOptions({
    queryKey: ["servers", "reach", server, version, audience],
    queryFn: () =>
      data(
        client.POST("/api/servers/{name}/audience/preview", {
          params: { path: { name: server } },
          body: { audience },
        }),
      ),
    placeholderData: keepPreviousData,
  });

/** Saves an audience over the version that was looked at. */
export function useSetAudience(server: string) {
  const m = useMessages(audiencesTexts);
  const toast = useToast();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ audience, version }: { audience: Audience; version: number }) => {
      const answer = client.PUT("/api/servers/{name}/audience", {
        params: { path: { name: server }, header: { "If-Match": `"${version}"` } },
        body: { audience },
      });
      return { server: await data(answer), position: positionOf((await answer).response) };
    },
    onSuccess: ({ position }) => toast.done(m.audiences.saved(server), { position }),
    onSettled: () => queries.invalidateQueries({ queryKey: ["servers"] }),
  });
}
