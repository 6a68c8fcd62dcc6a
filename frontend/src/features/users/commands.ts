import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import { data, whole } from "@/api/data";
import type { OneOfMany, User } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { usersTexts } from "@/i18n/users";

const MOST = 200; // users; the hub takes no more at once

export interface NewUser {
  username: string;
  displayName: string;
  email: string;
  isAdmin: boolean;
}

const at = (user: Pick<User, "id">) => ({ params: { path: { user_id: user.id } } });

/** Changes of users. A refusal that no dialog shows is said by a toast. */
export function useUserCommands() {
  const m = useMessages(usersTexts);
  const toast = useToast();
  const format = useFormat();
  const queries = useQueryClient();
  const renew = () =>
    Promise.all([
      queries.invalidateQueries({ queryKey: ["users"] }),
      queries.invalidateQueries({ queryKey: ["user-keys"] }),
    ]);

  /** Undo is another change, so one that comes too late is refused like any other. */
  const setActive = useMutation({
    mutationFn: ({ user, active, reason = "" }: { user: User; active: boolean; reason?: string }) =>
      client.PUT("/api/admin/users/{user_id}/active", { ...at(user), body: { isActive: active, reason } }),
    onSuccess: ({ response }, { user, active }) => {
      toast.done((active ? m.users.activated : m.users.deactivated)(user.username), {
        position: positionOf(response),
        undo: () => setActive.mutate({ user, active: !active }, { onError: toast.failed }),
      });
      return renew();
    },
  });
  const setRole = useMutation({
    mutationFn: ({ user, role, has }: { user: User; role: "admin" | "auditor"; has: boolean }) =>
      role === "admin"
        ? client.PUT("/api/admin/users/{user_id}/admin", { ...at(user), body: { isAdmin: has } })
        : client.PUT("/api/admin/users/{user_id}/auditor", { ...at(user), body: { isAuditor: has } }),
    onSuccess: ({ response }, { user, role, has }) => {
      toast.done((has ? m.users.granted : m.users.taken)[role](user.username), {
        position: positionOf(response),
        undo: () => setRole.mutate({ user, role, has: !has }),
      });
      return renew();
    },
    onError: toast.failed,
  });
  const restore = useMutation({
    mutationFn: (user: User) => client.POST("/api/admin/users/{user_id}/restore", at(user)),
    onSuccess: ({ response }, user) => {
      toast.done(m.users.restored(user.username), { position: positionOf(response) });
      return renew();
    },
    onError: toast.failed,
  });
  const remove = useMutation({
    mutationFn: (user: User) => client.DELETE("/api/admin/users/{user_id}", { ...at(user), body: null }),
    onSuccess: ({ response }, user) => {
      toast.done(m.users.removed(user.username), {
        position: positionOf(response),
        undo: () => restore.mutate(user),
      });
      return renew();
    },
  });
  const erase = useMutation({
    mutationFn: (user: User) =>
      client.DELETE("/api/admin/users/{user_id}", {
        params: { path: { user_id: user.id }, query: { hard: true } },
        body: { confirm: user.username },
      }),
    onSuccess: ({ response }, user) => {
      toast.done(m.users.erased(user.username), { position: positionOf(response) });
      return renew();
    },
  });
  const revokeKeys = useMutation({
    mutationFn: async (user: User) => {
      const answer = client.DELETE("/api/admin/users/{user_id}/keys", at(user));
      return { ...(await data(answer)), position: positionOf((await answer).response) };
    },
    onSuccess: ({ revoked, position }, user) => {
      toast.done(m.users.keysRevoked(user.username, format.number(revoked)), { position });
      return renew();
    },
  });
  const signOut = useMutation({
    mutationFn: (user: User) => client.POST("/api/admin/users/{user_id}/sign-out", at(user)),
    onSuccess: ({ response }, user) => {
      toast.done(m.users.signedOut(user.username), { position: positionOf(response) });
      return renew();
    },
  });
  const setMany = useMutation({
    mutationFn: async ({ users, action }: { users: User[]; action: "activate" | "deactivate" }) => {
      const came: { answers: OneOfMany[]; position: number } = { answers: [], position: 0 };
      for (let at = 0; at < users.length; at += MOST) {
        const ids = users.slice(at, at + MOST).map(({ id }) => id);
        const { data: answers, position } = await whole(
          client.POST("/api/admin/users/bulk", { body: { ids, action } }),
        );
        came.answers.push(...answers);
        came.position = position ?? came.position;
      }
      return came;
    },
    onSettled: renew,
  });
  /** The link is in the answer alone: it is handed on, and kept nowhere. */
  const make = useMutation({
    gcTime: 0,
    mutationFn: (user: NewUser) => data(client.POST("/api/admin/users", { body: user })),
    onSuccess: renew,
  });
  const invite = useMutation({
    gcTime: 0,
    mutationFn: (user: User) => data(client.POST("/api/admin/users/{user_id}/invitation", at(user))),
  });
  return { setActive, setRole, restore, remove, erase, revokeKeys, signOut, setMany, make, invite };
}

export type UserCommands = ReturnType<typeof useUserCommands>;
