import { queryOptions } from "@tanstack/react-query";
import { client } from "./client";
import { data } from "./data";
import type { SimulatorAccess } from "./schema.gen";

const EVERY = 5_000; // milliseconds; lists change when a server or somebody else's change does

/** What `myAccessQuery` asks begins with this: to ask all of it again. */
export const MY_ACCESS = ["my-access"];

/** What a client of the reader would list at an address, by the gateway's own decision.
 *
 * @param groups ids of groups, as if only these were on; null for those that are.
 */
export const myAccessQuery = (url = "/mcp", groups: string[] | null = null) =>
  queryOptions({
    queryKey: [...MY_ACCESS, url, groups?.join(",") ?? null],
    queryFn: () =>
      data(
        client.GET("/api/user/access", {
          params: { query: groups === null ? { url } : { url, groups: groups.join(",") } },
        }),
      ),
    refetchInterval: EVERY,
  });

/** Some server of the list has shown no tool yet: it was not asked, waits for a value, or has none. */
export function mayGrow(access: SimulatorAccess): boolean {
  return access.servers.some(({ reason, tools }) => reason === "allowed" && tools.length === 0);
}
