import { queryOptions } from "@tanstack/react-query";
import { client } from "@/api/client";
import { data } from "@/api/data";
import type { TimelineAnswer } from "@/api/schema.gen";

export interface ValuesHistoryEntry {
  position: number;
  at: string;
  removed: boolean;
  /** Who did it, when it was not the value's owner; "" when it was. */
  by: string;
}

const MOST = 200; // facts that are looked through

/** The reader's own history of one variable at one server, newest first. */
export const historyQuery = (server: string, variable: string) =>
  queryOptions({
    queryKey: ["settings", "history", server, variable],
    queryFn: async () => {
      const type = ["ServiceTokenSaved", "ServiceTokenRemoved"];
      const query = { kind: "fact" as const, user: ["me"], server: [server], type, limit: MOST };
      return entriesOf(await data(client.GET("/api/audit", { params: { query } })), variable);
    },
    staleTime: 0,
  });

export function entriesOf(facts: TimelineAnswer["data"], variable: string): ValuesHistoryEntry[] {
  return facts.flatMap((fact) =>
    fact.kind === "fact" && fact.data.variable === variable
      ? [
          {
            position: fact.position,
            at: fact.at,
            removed: fact.type === "ServiceTokenRemoved",
            by: fact.actor === fact.userId ? "" : fact.actorName,
          },
        ]
      : [],
  );
}
