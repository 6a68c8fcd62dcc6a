import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import { data } from "@/api/data";
import { useListTools } from "@/api/servers";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";

/** What can be done with one server. */
export function useServerCommands(server: string) {
  const m = useMessages(serversTexts);
  const toast = useToast();
  const queries = useQueryClient();
  const path = { name: server };
  const renew = () => queries.invalidateQueries({ queryKey: ["servers"] });

  const toggle = useMutation({
    mutationFn: (enabled: boolean) =>
      client.POST("/api/servers/{name}/toggle", { params: { path }, body: { enabled } }),
    onSuccess: async ({ response }, enabled) => {
      await renew();
      toast.done(m.servers.toggled[enabled ? "on" : "off"](server), {
        position: positionOf(response),
        undo: () => toggle.mutate(!enabled),
      });
    },
    onError: toast.failed,
  });

  const toggleTool = useMutation({
    mutationFn: ({ tool, enabled }: { tool: string; enabled: boolean }) =>
      client.POST("/api/servers/{name}/tools/{tool}/toggle", {
        params: { path: { ...path, tool } },
        body: { enabled },
      }),
    onSuccess: async ({ response }, { tool, enabled }) => {
      await renew();
      toast.done(m.servers.toolToggled[enabled ? "on" : "off"](tool), {
        position: positionOf(response),
        undo: () => toggleTool.mutate({ tool, enabled: !enabled }),
      });
    },
    onError: toast.failed,
  });

  const reload = useMutation({
    mutationFn: () => client.POST("/api/servers/{name}/reload", { params: { path } }),
    onSuccess: async () => {
      await renew();
      toast.done(m.servers.reloaded(server));
    },
    onError: toast.failed,
  });

  /** A handshake with the reader's saved values; nothing is kept of it. */
  const test = useMutation({
    mutationFn: () =>
      data(
        client.POST("/api/user-env-vars/{server}/test", {
          params: { path: { server } },
          body: { values: {} },
        }),
      ),
    onSettled: renew,
  });

  const listTools = useListTools(server);
  return { toggle, toggleTool, reload, test, listTools };
}
