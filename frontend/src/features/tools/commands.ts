import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import { data } from "@/api/data";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { toolsTexts } from "@/i18n/tools";
import type { Arguments } from "./model";

/** Runs a tool through the gateway, as the reader's client would. `stop` ends the call. */
export function useRun(server: string, tool: string) {
  return useMutation({
    gcTime: 0, // what was typed is not kept behind the page
    mutationFn: ({ typed, signal }: { typed: Arguments; signal: AbortSignal }) =>
      data(
        client.POST("/api/servers/{name}/tools/{tool}/try", {
          params: { path: { name: server, tool } },
          body: { arguments: typed },
          signal,
        }),
      ),
  });
}

/** An administrator's changes of a tool. */
export function useToolCommands(server: string, tool: string) {
  const m = useMessages(toolsTexts);
  const toast = useToast();
  const queries = useQueryClient();
  const params = { path: { name: server, tool } };
  const done = async (response: Response, text: string, undo?: () => void) => {
    await queries.invalidateQueries({ queryKey: ["servers"] });
    toast.done(text, { position: positionOf(response), undo });
  };

  const toggle = useMutation({
    mutationFn: (enabled: boolean) =>
      client.POST("/api/servers/{name}/tools/{tool}/toggle", { params, body: { enabled } }),
    onSuccess: ({ response }, enabled) =>
      done(response, m.tools.toggled[enabled ? "on" : "off"](tool), () => toggle.mutate(!enabled)),
    onError: toast.failed,
  });

  /** @param name null gives it its own again */
  const rename = useMutation({
    mutationFn: (name: string | null) =>
      name === null
        ? client.DELETE("/api/servers/{name}/tools/{tool}/name", { params })
        : client.PUT("/api/servers/{name}/tools/{tool}/name", { params, body: { name } }),
    onSuccess: ({ response }, name) =>
      done(response, name === null ? m.tools.nameReset(tool) : m.tools.renamed(tool, name)),
  });

  /** @param description null lets the server's own count again */
  const describe = useMutation({
    mutationFn: (description: string | null) =>
      description === null
        ? client.DELETE("/api/servers/{name}/tools/{tool}/description", { params })
        : client.PUT("/api/servers/{name}/tools/{tool}/description", { params, body: { description } }),
    onSuccess: ({ response }, description) =>
      done(response, description === null ? m.tools.descriptionReset(tool) : m.tools.described(tool)),
  });
  return { toggle, rename, describe };
}
