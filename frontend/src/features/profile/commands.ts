import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import type { BrowserSession } from "@/api/schema.gen";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { profileTexts } from "@/i18n/profile";
import { sessionsQuery } from "./queries";

const ended = (id: string) => client.DELETE("/api/user/sessions/{sid}", { params: { path: { sid: id } } });

/** Changes of one's own sessions and password. */
export function useProfileCommands() {
  const m = useMessages(profileTexts);
  const toast = useToast();
  const queries = useQueryClient();
  const renew = () => queries.invalidateQueries({ queryKey: sessionsQuery.queryKey });

  const end = useMutation({
    mutationFn: ({ id }: BrowserSession) => ended(id),
    onSuccess: ({ response }) => toast.done(m.profile.ended, { position: positionOf(response) }),
    onError: toast.failed,
    onSettled: renew,
  });

  // One by one: the hub's own way ends this session as well.
  const endOthers = useMutation({
    mutationFn: async (others: BrowserSession[]) => {
      let position: number | null = null;
      for (const { id } of others) position = positionOf((await ended(id)).response);
      return position;
    },
    onSuccess: (position) => toast.done(m.profile.endedOthers, { position }),
    onSettled: renew,
  });

  const password = useMutation({
    gcTime: 0, // what was typed is not kept behind the page
    mutationFn: (body: { currentPassword: string; newPassword: string }) =>
      client.POST("/api/auth/change-password", { body }),
    onSuccess: ({ response }) => {
      toast.done(m.profile.passwordChanged, { position: positionOf(response) });
      return renew();
    },
  });
  return { end, endOthers, password };
}
