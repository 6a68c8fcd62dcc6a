import type { Counts, Me, OneOfMany, User } from "@/api/schema.gen";
import type { UserRole, UserState } from "@/api/users";
import type { View } from "./search";

export function filtersOf(view: View): { state: UserState; role: UserRole } {
  if (view === "admin" || view === "auditor") return { state: "", role: view };
  return { state: view, role: "" };
}

export function countOf(view: View, counts: Counts): number {
  const by: Record<View, number> = {
    "": counts.total,
    pending: counts.pending,
    active: counts.active,
    inactive: counts.inactive,
    admin: counts.admins,
    auditor: counts.auditors,
    deleted: counts.deleted,
  };
  return by[view];
}

export type Act = "activate" | "deactivate" | "promote" | "demote" | "audit" | "unaudit" | "remove";

/** Codes of the problems the hub would answer; what is not there can be done. The hub decides; this only says so before. */
export type Guards = Partial<
  Record<
    Act,
    | "admin_protected"
    | "self_deactivation"
    | "self_deletion"
    | "last_admin"
    | "user_inactive"
    | "user_deleted"
  >
>;

/** @param onlyAdmin nobody else is an administrator. */
export function guardsOf(
  user: Pick<User, "id" | "state" | "isAdmin">,
  me: Pick<Me, "id">,
  onlyAdmin: boolean,
): Guards {
  if (user.state === "deleted") {
    return {
      activate: "user_deleted",
      promote: "user_deleted",
      audit: "user_deleted",
      deactivate: "user_deleted",
    };
  }
  const guards: Guards = {};
  if (user.isAdmin) {
    guards.deactivate = "admin_protected";
    guards.remove = "admin_protected";
    if (onlyAdmin) guards.demote = "last_admin";
  }
  if (user.id === me.id) {
    guards.deactivate = "self_deactivation";
    guards.remove = "self_deletion";
  }
  if (user.state !== "active") {
    guards.promote = "user_inactive";
    guards.audit = "user_inactive";
  }
  return guards;
}

/** Which of the chosen users an action of many would change; the others are passed over. */
export function changed(
  users: User[],
  chosen: ReadonlySet<string>,
  action: "activate" | "deactivate",
): User[] {
  return users.filter(
    ({ id, state }) =>
      chosen.has(id) &&
      (action === "activate" ? state === "pending" || state === "inactive" : state === "active"),
  );
}

/** How many it happened to, and who it did not, with the code that says why. */
export function outcome(
  answers: OneOfMany[],
  users: User[],
): { done: number; refused: { name: string; code: string }[] } {
  const names = new Map(users.map(({ id, username }) => [id, username]));
  return {
    done: answers.filter(({ ok }) => ok).length,
    refused: answers
      .filter(({ ok }) => !ok)
      .map(({ id, code }) => ({ name: names.get(id) ?? id, code: code ?? "" })),
  };
}
