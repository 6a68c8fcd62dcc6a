import type { UseMutationResult } from "@tanstack/react-query";
import { explain } from "@/api/problem";
import { Confirm } from "@/components/ui/confirm";
import { useMessages } from "@/i18n";

interface EndQuestionProps<What> {
  /** What is about to be ended; null asks nothing. */
  what: What | null;
  end: Pick<UseMutationResult<unknown, Error, What>, "mutate" | "isPending" | "error" | "reset">;
  title: (what: What) => string;
  text: string;
  action: string;
  onDone: () => void;
}

/** Asks before a session or a runtime is ended. */
export function EndQuestion<What>({ what, end, title, text, action, onDone }: EndQuestionProps<What>) {
  const m = useMessages();
  if (what === null) return null;
  const done = () => {
    end.reset();
    onDone();
  };
  return (
    <Confirm
      open
      onOpenChange={(open) => !open && done()}
      title={title(what)}
      text={text}
      action={action}
      busy={end.isPending}
      error={end.error ? explain(end.error, m) : undefined}
      onConfirm={() => end.mutate(what, { onSuccess: done })}
    />
  );
}
