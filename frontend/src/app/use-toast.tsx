import { useRouter } from "@tanstack/react-router";
import { useMemo } from "react";
import { toast } from "sonner";
import { explain } from "@/api/problem";
import { useMessages } from "@/i18n";
import { rich } from "@/i18n/rich";
import { useFormat } from "./look";
import { useMe } from "./session";

const AUDIT = "/admin/audit/$position";

/** Says how a change went. */
export function useToast() {
  const m = useMessages();
  const format = useFormat();
  const router = useRouter();
  const me = useMe();
  return useMemo(
    () => ({
      /** @param position of the event it made: whoever may read it gets a way there. `undo` makes another event. */
      done(message: string, { position, undo }: { position?: number | null; undo?: () => void } = {}) {
        const readable = position && (me.isAdmin || me.isAuditor) && AUDIT in router.routesByPath;
        toast.success(rich(message), {
          action: undo ? { label: m.common.undo, onClick: undo } : undefined,
          duration: undo ? 10_000 : undefined, // time to read, and to change one's mind
          description: readable ? (
            <a href={`/admin/audit/${position}`} className="underline">
              {m.common.viewEvent(format.number(position))}
            </a>
          ) : undefined,
        });
      },
      failed(error: unknown) {
        toast.error(m.errors.title, { description: explain(error, m), duration: 10_000 });
      },
    }),
    [m, format, router, me],
  );
}
