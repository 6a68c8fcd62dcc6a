import { useMutation, useQueryClient } from "@tanstack/react-query";
import { client, positionOf } from "@/api/client";
import type { ToolChange } from "@/api/schema.gen";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { toolChangesTexts } from "@/i18n/tool-changes";

/** Lets a definition be used. Refused when another one of the tool waits by now. */
export function useApprove() {
  const m = useMessages(toolChangesTexts);
  const toast = useToast();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ server, tool, hash, newest }: ToolChange) =>
      client.POST("/api/servers/{name}/tools/{tool}/approve", {
        params: { path: { name: server, tool } },
        body: { hash, ...(newest === hash ? {} : { newest }) },
      }),
    onSuccess: ({ response }, { tool }) =>
      toast.done(m.toolChanges.approved(tool), { position: positionOf(response) }),
    onError: toast.failed,
    // Also after a refusal: what is shown was not the newest.
    onSettled: () => queries.invalidateQueries({ queryKey: ["tool-changes"] }),
  });
}
