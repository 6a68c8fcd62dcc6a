import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import { data } from "@/api/data";
import { useFormat } from "@/app/look";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";

/** Saves the document as it was seen at a version, or brings one back. */
export function useConfigCommands() {
  const m = useMessages(configTexts);
  const format = useFormat();
  const toast = useToast();
  const queries = useQueryClient();
  const renew = async () => {
    await Promise.all([
      queries.invalidateQueries({ queryKey: ["config"] }),
      queries.invalidateQueries({ queryKey: ["servers"] }),
    ]);
  };

  const save = useMutation({
    gcTime: 0, // what was typed is not kept behind the page
    mutationFn: async ({ text, version }: { text: string; version: number }) => {
      const answer = client.PUT("/api/admin/settings-file", {
        params: { header: { "If-Match": `"${version}"` } },
        body: { text },
      });
      return { saved: await data(answer), position: positionOf((await answer).response) };
    },
    onSuccess: async ({ saved, position }) => {
      await renew();
      toast.done(m.config.saved(format.number(saved.version)), { position });
    },
  });

  const restore = useMutation({
    mutationFn: async ({ version, present }: { version: number; present: number }) => {
      const answer = client.POST("/api/admin/settings-file/versions/{version}/restore", {
        params: { path: { version }, header: { "If-Match": `"${present}"` } },
        body: {},
      });
      return { saved: await data(answer), position: positionOf((await answer).response) };
    },
    onSuccess: async ({ position }, { version }) => {
      await renew();
      toast.done(m.config.restored(format.number(version)), { position });
    },
  });
  return { save, restore };
}
