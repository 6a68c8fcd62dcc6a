import { useBlocker } from "@tanstack/react-router";
import { Button } from "@/components/ui/button";
import { Dialog } from "@/components/ui/dialog";
import { useMessages } from "@/i18n";
import { settingsTexts } from "@/i18n/settings";

/** Asks before a page is left on which something is not saved. */
export function LeaveGuard({ dirty }: { dirty: boolean }) {
  const m = useMessages(settingsTexts);
  const { status, proceed, reset } = useBlocker({
    // A search or a jump within the page loses nothing.
    shouldBlockFn: ({ current, next }) => dirty && current.pathname !== next.pathname,
    enableBeforeUnload: () => dirty,
    withResolver: true,
  });
  return (
    <Dialog
      open={status === "blocked"}
      onOpenChange={(open) => !open && reset?.()}
      title={m.settings.leaveTitle}
      description={m.settings.leaveText}
      actions={
        <>
          <Button size="md" onClick={() => reset?.()}>
            {m.settings.stay}
          </Button>
          <Button size="md" tone="danger" onClick={() => proceed?.()}>
            {m.settings.leave}
          </Button>
        </>
      }
    />
  );
}
