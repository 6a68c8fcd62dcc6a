import { infiniteQueryOptions, keepPreviousData, queryOptions } from "@tanstack/react-query";
import { client } from "./client";
import { data, whole } from "./data";
import type { components } from "./schema.gen";

export type Access = components["schemas"]["simulator_Access"];

/** What a client of a user would see at an address, and why not more.
 *
 * @param url an address of the hub, or its path, with `?mode=` perhaps.
 * @param keyId of a key of the user; "" for a client without a narrowing key.
 * @param at a position or a time, for what it would have seen; "" for now.
 */
export const accessQuery = (userId: string, url: string, keyId: string, at = "") =>
  queryOptions({
    queryKey: ["users", "access", userId, url, keyId, at],
    queryFn: () =>
      data(
        client.GET("/api/admin/users/{user_id}/access", {
          params: { path: { user_id: userId }, query: { url, keyId, at } },
        }),
      ),
    staleTime: 0, // somebody who asks this has just changed something
  });

/** The same of an earlier time, with what each server said of its tools then: tool as it was listed → definition. */
export const definitionsQuery = (userId: string, url: string, keyId: string, at: string) =>
  queryOptions({
    queryKey: ["users", "definitions", userId, url, keyId, at],
    queryFn: async () => {
      const { servers } = await data(
        client.GET("/api/admin/users/{user_id}/access", {
          params: { path: { user_id: userId }, query: { url, keyId, at, definitions: true } },
        }),
      );
      return new Map(
        servers.flatMap(({ tools }) => tools.map(({ exposedName, definition }) => [exposedName, definition])),
      );
    },
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
  });

/** Whom and what a decision is about; of the server itself without a tool. */
export interface AskedWhy {
  user: string;
  server: string;
  tool?: string;
  url: string;
  keyId: string;
  at: string;
}

/** Why a user may, or may not, use something, and the event that made it so. */
export const whyQuery = (asked: AskedWhy) =>
  queryOptions({
    queryKey: ["users", "why", asked],
    queryFn: () => data(client.GET("/api/admin/why", { params: { query: asked } })),
    staleTime: 0,
  });

const PAGE = 200; // users; the most the hub gives at once

/** Who could use a server, or a tool of it; with `all` also who could not; of those whose name holds `q`.
 *
 * @param at a position or a time; "" for now.
 */
export const whoCouldQuery = (asked: { server: string; tool: string; at: string; all: boolean; q: string }) =>
  infiniteQueryOptions({
    queryKey: ["users", "who-could", asked],
    queryFn: ({ pageParam }) => {
      const { server, tool, all, q } = asked;
      const which: "all" | "could" = all ? "all" : "could";
      return whole(
        client.GET("/api/audit/who-could", {
          params: {
            query: { server, tool, which, q, at: pageParam.at, limit: PAGE, cursor: pageParam.cursor },
          },
        }),
      );
    },
    initialPageParam: { at: asked.at, cursor: "" },
    // What happens meanwhile does not move the pages that are left.
    getNextPageParam: ({ data: { moment }, page }) =>
      page.next ? { at: String(moment.position), cursor: page.next } : undefined,
    staleTime: 0,
    retry: false,
    placeholderData: keepPreviousData,
  });
