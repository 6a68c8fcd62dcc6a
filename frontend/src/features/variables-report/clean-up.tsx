import { useQuery } from "@tanstack/react-query";
import { explain } from "@/api/problem";
import type { CleanUpResult } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Loaded } from "@/components/states";
import { Button } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Dialog } from "@/components/ui/dialog";
import { useMessages } from "@/i18n";
import { variablesTexts } from "@/i18n/variables";
import { useVariableCommands } from "./commands";
import { orphansQuery } from "./queries";

interface CleanUpProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
}

/** Names what would go, and destroys it when that was typed. */
export function CleanUp({ open, onOpenChange }: CleanUpProps) {
  const m = useMessages(variablesTexts);
  const format = useFormat();
  const found = useQuery({ ...orphansQuery, enabled: open });
  const { clean } = useVariableCommands();
  const close = () => {
    clean.reset();
    onOpenChange(false);
  };
  if (!open) return null;
  if (found.data && found.data.items.length > 0) {
    return (
      <Confirm
        open
        onOpenChange={(wanted) => !wanted && close()}
        title={m.variables.cleanTitle(format.number(found.data.removed))}
        text={m.variables.cleanText}
        action={m.variables.cleanDo}
        name={m.variables.cleanWord}
        busy={clean.isPending}
        error={clean.error ? explain(clean.error, m) : undefined}
        onConfirm={() => clean.mutate(undefined, { onSuccess: close })}
      >
        <Items items={found.data.items} />
      </Confirm>
    );
  }
  return (
    <Dialog
      open
      onOpenChange={(wanted) => !wanted && close()}
      title={m.variables.clean}
      actions={
        <Button size="md" onClick={close}>
          {m.common.close}
        </Button>
      }
    >
      <Loaded query={found} skeleton={<p className="text-ink-2">{m.variables.cleanLook}</p>}>
        {() => <p>{m.variables.cleanNone}</p>}
      </Loaded>
    </Dialog>
  );
}

const MOST = 200; // named one by one

function Items({ items }: { items: CleanUpResult["items"] }) {
  const m = useMessages(variablesTexts);
  const format = useFormat();
  return (
    <ul
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
      tabIndex={0}
      aria-label={m.variables.tabs.issues}
      className="scroll-thin mb-3 max-h-52 overflow-y-auto rounded-md border border-line"
    >
      {items.slice(0, MOST).map(({ userId, username, server, name }) => (
        <li
          key={`${userId} ${server} ${name}`}
          className="flex items-baseline gap-2 border-line border-b px-2.5 py-1 last:border-b-0"
        >
          <span className="font-semibold" data-name>
            {username}
          </span>
          <span className="min-w-0 flex-1 truncate text-ink-2" data-name>
            {server}
          </span>
          <span className="truncate font-mono text-ink-2 text-xs">{name}</span>
        </li>
      ))}
      {items.length > MOST ? (
        <li className="px-2.5 py-1 text-ink-3">
          {m.variables.cleanMore(format.number(items.length - MOST))}
        </li>
      ) : null}
    </ul>
  );
}
