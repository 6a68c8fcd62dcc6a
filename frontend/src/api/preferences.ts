import { useMutation, useQueryClient } from "@tanstack/react-query";
import { meQuery } from "@/app/session";

import { client, positionOf } from "./client";
import { data } from "./data";
import { MY_ACCESS } from "./my-access";
import type { Preferences } from "./schema.gen";

export type ExposureMode = NonNullable<Preferences["exposureMode"]>;
export const MODES: ExposureMode[] = ["auto", "tools", "servers", "search"];

/** Changes what clients of the reader are shown: at once on the screen, and back when the hub refuses. */
export function useChangePreferences() {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (wanted: Pick<Preferences, "exposureMode" | "showWhy">) => {
      const answer = client.PATCH("/api/user/me", { body: wanted });
      return { me: await data(answer), position: positionOf((await answer).response) };
    },
    onMutate: async (wanted) => {
      await queries.cancelQueries({ queryKey: meQuery.queryKey });
      const before = queries.getQueryData(meQuery.queryKey);
      if (before) queries.setQueryData(meQuery.queryKey, { ...before, ...wanted });
      return { before };
    },
    onError: (_error, _wanted, kept) => {
      if (kept?.before) queries.setQueryData(meQuery.queryKey, kept.before);
    },
    onSuccess: ({ me }) => {
      queries.setQueryData(meQuery.queryKey, me);
      return queries.invalidateQueries({ queryKey: MY_ACCESS });
    },
  });
}
