import { useMutation } from "@tanstack/react-query";
import { client } from "@/api/client";
import { useToast } from "@/app/use-toast";
import { useMessages } from "@/i18n";
import { projectionsTexts } from "@/i18n/projections";

const at = (name: string) => ({ params: { path: { name } } });

/** Makes all tables anew; the stream says how far it is. */
export function useRebuild() {
  const toast = useToast();
  return useMutation({
    mutationFn: (name: string) => client.POST("/api/admin/projections/{name}/rebuild", at(name)),
    onError: toast.failed,
  });
}

/** Compares all tables with what a rebuild makes. */
export function useCheck() {
  const toast = useToast();
  return useMutation({
    mutationFn: (name: string) => client.POST("/api/admin/projections/{name}/check", at(name)),
    onError: toast.failed,
  });
}

/** Lets a parked table try its event again. */
export function useRetry() {
  const m = useMessages(projectionsTexts);
  const toast = useToast();
  return useMutation({
    mutationFn: (name: string) => client.POST("/api/admin/projections/{name}/retry", at(name)),
    onSuccess: (_, name) => toast.done(m.projections.retried(name)),
    onError: toast.failed,
  });
}
