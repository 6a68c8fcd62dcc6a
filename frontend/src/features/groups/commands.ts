import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import { data } from "@/api/data";
import { MY_ACCESS } from "@/api/my-access";
import type { GroupView } from "@/api/schema.gen";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { groupsTexts } from "@/i18n/groups";
import type { GroupDraft } from "./model";
import { groupsQuery } from "./queries";

interface Made extends GroupDraft {
  /** A new group is on; a copy is as what it was copied from. */
  isActive: boolean;
}

/** Changes of one's own groups. Each has another that takes it back, offered where it is said. */
export function useGroupCommands({ onRemoved }: { onRemoved?: () => void } = {}) {
  const m = useMessages(groupsTexts);
  const toast = useToast();
  const queries = useQueryClient();
  // What clients list follows from groups, and so does what servers say of themselves.
  const renew = () =>
    Promise.all(
      [groupsQuery.queryKey, MY_ACCESS, ["servers"]].map((queryKey) =>
        queries.invalidateQueries({ queryKey }),
      ),
    );

  const make = useMutation({
    mutationFn: async ({ isActive, ...body }: Made) => {
      const answer = client.POST("/api/user/groups", { body });
      const group = await data(answer);
      if (!isActive) await switched(group.id, false);
      return { group, position: positionOf((await answer).response) };
    },
    onSuccess: ({ group, position }) => {
      toast.done(m.groups.made(group.name), { position });
      return renew();
    },
  });

  const change = useMutation({
    mutationFn: async ({ id, draft }: { id: string; draft: GroupDraft }) => {
      const answer = client.PUT("/api/user/groups/{group_id}", {
        params: { path: { group_id: id } },
        body: draft,
      });
      return { group: await data(answer), position: positionOf((await answer).response) };
    },
    onSuccess: ({ group, position }) => {
      toast.done(m.groups.changed(group.name), { position });
      return renew();
    },
  });

  const toggle = useMutation({
    mutationFn: ({ group, on }: { group: GroupView; on: boolean }) => switched(group.id, on),
    onMutate: async ({ group, on }) => {
      await queries.cancelQueries({ queryKey: groupsQuery.queryKey });
      const before = queries.getQueryData(groupsQuery.queryKey);
      queries.setQueryData(groupsQuery.queryKey, (groups) =>
        groups?.map((each) => (each.id === group.id ? { ...each, isActive: on } : each)),
      );
      return { before };
    },
    onError: (error, _wanted, kept) => {
      queries.setQueryData(groupsQuery.queryKey, kept?.before);
      toast.failed(error);
    },
    onSuccess: ({ response }, { group, on }) => {
      toast.done(on ? m.groups.switchedOn(group.name) : m.groups.switchedOff(group.name), {
        position: positionOf(response),
        undo: () => toggle.mutate({ group, on: !on }),
      });
    },
    onSettled: renew,
  });

  const remove = useMutation({
    mutationFn: (group: GroupView) =>
      client.DELETE("/api/user/groups/{group_id}", { params: { path: { group_id: group.id } } }),
    onSuccess: ({ response }, group) => {
      // A server that is gone cannot be named anew, so it does not come back with its group.
      const { name, description, servers, isActive } = group;
      toast.done(m.groups.deleted(name), {
        position: positionOf(response),
        undo: () => void make.mutateAsync({ name, description, servers, isActive }).catch(toast.failed),
      });
      onRemoved?.(); // before the lists are asked for again: its page would say that it is gone
      return renew();
    },
    onError: toast.failed,
  });
  return { make, change, toggle, remove };
}

function switched(id: string, on: boolean) {
  return client.PATCH("/api/user/groups/{group_id}/active", {
    params: { path: { group_id: id } },
    body: { isActive: on },
  });
}
