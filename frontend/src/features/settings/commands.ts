import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import { data } from "@/api/data";
import { useFormat } from "@/app/look";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { settingsTexts } from "@/i18n/settings";
import { changes, type Draft, toSave, toTest } from "./model";
import { sectionsQuery, testQuery } from "./queries";

export function useSettingsCommands(onSaved: () => void) {
  const m = useMessages(settingsTexts);
  const format = useFormat();
  const toast = useToast();
  const queries = useQueryClient();

  const save = useMutation({
    gcTime: 0, // what was typed is not kept behind the page
    mutationFn: async (draft: Draft) => {
      const answer = client.POST("/api/user-env-vars", { body: { envVars: toSave(draft) } });
      return { saved: await data(answer), position: positionOf((await answer).response) };
    },
    onSuccess: async ({ saved, position }, draft) => {
      // A test of before says nothing about what is saved now.
      for (const server of Object.keys(draft)) queries.setQueryData(testQuery(server).queryKey, null);
      await queries.invalidateQueries({ queryKey: sectionsQuery.queryKey });
      onSaved();
      const text = m.settings.savedToast(format.number(changes(draft).length));
      const also = new Set(saved.alsoSavedFor.map(({ server }) => server)).size;
      toast.done(also > 0 ? `${text}, ${m.settings.alsoSaved(format.number(also))}` : text, { position });
    },
  });

  const test = useMutation({
    gcTime: 0,
    mutationFn: ({ server, draft }: { server: string; draft: Draft }) =>
      data(
        client.POST("/api/user-env-vars/{server}/test", {
          params: { path: { server } },
          body: { values: toTest(draft, server) },
        }),
      ),
    onSuccess: (result, { server }) => queries.setQueryData(testQuery(server).queryKey, result),
    onError: toast.failed,
  });

  const share = useMutation({
    mutationFn: async ({ name, from, to }: { name: string; from: string; to: string[] }) =>
      client.POST("/api/user-env-vars/share", { body: { name, from, to } }),
    onSuccess: async ({ response }, { name }) => {
      await queries.invalidateQueries({ queryKey: sectionsQuery.queryKey });
      toast.done(m.settings.sharedWith(name), { position: positionOf(response) });
    },
    onError: toast.failed,
  });
  return { save, test, share };
}
