import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import { data } from "@/api/data";
import type { ShownConfig } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { variablesTexts } from "@/i18n/variables";
import { hubVariablesQuery, scheduleQuery } from "./queries";

/** Changes of what all users' values are subject to, and of the hub's own values. */
export function useVariableCommands() {
  const m = useMessages(variablesTexts);
  const format = useFormat();
  const toast = useToast();
  const queries = useQueryClient();
  const renew = (...keys: readonly unknown[][]) =>
    Promise.all(keys.map((queryKey) => queries.invalidateQueries({ queryKey })));

  const clean = useMutation({
    mutationFn: async () => {
      const answer = client.POST("/api/env-vars/cleanup", { body: { dryRun: false } });
      return { result: await data(answer), position: positionOf((await answer).response) };
    },
    onSuccess: ({ result, position }) => {
      toast.done(m.variables.cleaned(format.number(result.removed)), { position });
      return renew(["variables"]);
    },
  });

  const set = useMutation({
    gcTime: 0, // what was typed is not kept behind the page
    mutationFn: ({ name, value }: { name: string; value: string }) =>
      client.PUT("/api/admin/hub-variables/{name}", { params: { path: { name } }, body: { value } }),
    onSuccess: ({ response }, { name }) => {
      toast.done(m.variables.stored(name), { position: positionOf(response) });
      return renew([...hubVariablesQuery.queryKey], ["servers"]);
    },
  });

  const remove = useMutation({
    mutationFn: (name: string) =>
      client.DELETE("/api/admin/hub-variables/{name}", { params: { path: { name } } }),
    onSuccess: ({ response }, name) => {
      toast.done(m.variables.removed(name), { position: positionOf(response) });
      return renew([...hubVariablesQuery.queryKey], ["servers"]);
    },
  });

  const configure = useMutation({
    mutationFn: async (changes: Partial<ShownConfig>) => {
      const answer = client.POST("/api/admin/env-scheduler/config", { body: changes });
      return { status: await data(answer), position: positionOf((await answer).response) };
    },
    onSuccess: ({ status, position }) => {
      queries.setQueryData(scheduleQuery.queryKey, status);
      toast.done(m.variables.scheduleSaved, { position });
    },
  });

  const run = useMutation({
    mutationFn: async () => {
      const answer = client.POST("/api/admin/env-scheduler/run");
      return { status: await data(answer), position: positionOf((await answer).response) };
    },
    onSuccess: ({ status, position }) => {
      queries.setQueryData(scheduleQuery.queryKey, status);
      toast.done(m.variables.ran, { position });
      return renew(["variables", "usage"], ["variables", "issues"]);
    },
    onError: toast.failed,
  });
  return { clean, set, remove, configure, run };
}
