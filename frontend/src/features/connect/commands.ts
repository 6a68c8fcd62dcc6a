import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import { data } from "@/api/data";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { connectTexts } from "@/i18n/connect";
import { keysQuery } from "./queries";

interface Named {
  id: string;
  name: string;
}

/** Changes of one's own keys. The value of a key is in the answer alone: it is handed on, and kept nowhere. */
export function useKeyCommands() {
  const m = useMessages(connectTexts);
  const toast = useToast();
  const queries = useQueryClient();
  const renew = () => queries.invalidateQueries({ queryKey: keysQuery.queryKey });

  const issue = useMutation({
    gcTime: 0,
    mutationFn: async ({ name, days }: { name: string; days: number }) => {
      const answer = client.POST("/api/oauth/keys", { body: { name, expiryDays: days } });
      return { issued: await data(answer), position: positionOf((await answer).response) };
    },
    onSuccess: ({ issued, position }) => {
      toast.done(m.connect.made(issued.name), { position });
      return renew();
    },
  });
  const extend = useMutation({
    mutationFn: ({ id }: Named) =>
      client.POST("/api/oauth/keys/{key_id}/extend", {
        params: { path: { key_id: id } },
        body: { days: 90 },
      }),
    onSuccess: ({ response }, { name }) => {
      toast.done(m.connect.extended(name), { position: positionOf(response) });
      return renew();
    },
    onError: toast.failed,
  });
  const rotate = useMutation({
    gcTime: 0,
    mutationFn: async ({ id }: Named) => {
      const answer = client.POST("/api/oauth/keys/{key_id}/rotate", {
        params: { path: { key_id: id } },
        body: { graceMinutes: 10 },
      });
      return { issued: await data(answer), position: positionOf((await answer).response) };
    },
    onSuccess: ({ position }, { name }) => {
      toast.done(m.connect.rotated(name), { position });
      return renew();
    },
  });
  const revoke = useMutation({
    mutationFn: ({ id }: Named) =>
      client.DELETE("/api/oauth/keys/{key_id}", { params: { path: { key_id: id } } }),
    onSuccess: ({ response }, { name }) => {
      toast.done(m.connect.revoked(name), { position: positionOf(response) });
      return renew();
    },
  });
  return { issue, extend, rotate, revoke };
}
