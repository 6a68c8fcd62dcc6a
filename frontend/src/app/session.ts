import { type QueryClient, queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data } from "@/api/data";
import { Problem } from "@/api/problem";
import type { Me } from "@/api/schema.gen";

/** Who is signed in; null for nobody. */
export const meQuery = queryOptions({
  queryKey: ["me"],
  queryFn: async (): Promise<Me | null> => {
    try {
      return await data(client.GET("/api/user/me"));
    } catch (error) {
      if (error instanceof Problem && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 60_000,
});

/** Reads everything anew when another tab signed in somebody else: what is there was read for whoever was here before. */
export function forgetForOthers(queries: QueryClient): void {
  let last: string | undefined;
  queries.getQueryCache().subscribe(({ type, query }) => {
    if (type !== "updated" || query.queryKey[0] !== meQuery.queryKey[0]) return;
    const id = queries.getQueryData(meQuery.queryKey)?.id;
    if (id === undefined) return;
    const another = last !== undefined && last !== id;
    last = id;
    if (another) void queries.resetQueries({ predicate: (one) => one.queryKey[0] !== meQuery.queryKey[0] });
  });
}

/** The person in front of a page that only somebody signed in gets to see. */
export function useMe(): Me {
  const { data: me } = useSuspenseQuery(meQuery);
  if (me === null)
    throw new Problem({ status: 401, code: "not_authenticated", title: "Nobody is signed in." });
  return me;
}

export type Role = "user" | "auditor" | "admin";

/** May somebody open a page that is for this role? Administrators read what auditors read. The hub decides; this only
 * chooses the screen. */
export function mayOpen(me: Pick<Me, "isAdmin" | "isAuditor">, role: Role): boolean {
  if (role === "admin") return me.isAdmin;
  if (role === "auditor") return me.isAdmin || me.isAuditor;
  return true;
}

const SOMEWHERE = "http://hub.invalid";

/** The address behind `next=` when it is a page of this hub, else the start page. Read as a browser reads it, which
 * passes over tabs and line ends. */
export function safeNext(next: string | undefined): string {
  if (!next?.startsWith("/") || !URL.canParse(next, SOMEWHERE)) return "/";
  return new URL(next, SOMEWHERE).origin === SOMEWHERE ? next : "/";
}
