import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { client } from "./client";
import { data, whole } from "./data";

export type UserState = "" | "active" | "inactive" | "pending" | "deleted" | "all";
export type UserRole = "" | "admin" | "auditor" | "user";

const PAGE = 200; // users; the most the hub gives at once

/** Users, newest registration first, page by page; `counts` on each page are of everybody. */
export const usersQuery = ({ q = "", state = "" as UserState, role = "" as UserRole } = {}) =>
  infiniteQueryOptions({
    queryKey: ["users", "list", { q, state, role }],
    queryFn: ({ pageParam }) =>
      whole(
        client.GET("/api/admin/users", {
          params: { query: { q, state, role, limit: PAGE, cursor: pageParam } },
        }),
      ),
    initialPageParam: "",
    getNextPageParam: ({ page }) => page.next ?? undefined,
  });

/** One user with all they have; of variables whether they are set. */
export const userQuery = (id: string) =>
  queryOptions({
    queryKey: ["users", "one", id],
    queryFn: () => data(client.GET("/api/admin/users/{user_id}", { params: { path: { user_id: id } } })),
  });
