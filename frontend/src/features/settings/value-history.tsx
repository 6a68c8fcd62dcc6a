import { useQuery } from "@tanstack/react-query";
import { History } from "lucide-react";
import { Loaded } from "@/components/states";
import { Time } from "@/components/time";
import { IconButton } from "@/components/ui/button";
import { Popover } from "@/components/ui/popover";
import { useMessages } from "@/i18n";
import { settingsTexts } from "@/i18n/settings";
import type { ValuesHistoryEntry } from "./history";
import { historyQuery } from "./history";
import type { FieldView } from "./model";

/** When a variable was saved and removed, and by whom; never what it was. */
export function ValueHistory({ server, field }: { server: string; field: FieldView }) {
  const m = useMessages(settingsTexts);
  const label = m.settings.historyFor(field.short);
  return (
    <Popover
      label={label}
      trigger={
        <IconButton label={label} className="size-5 [&_svg]:size-3">
          <History aria-hidden />
        </IconButton>
      }
    >
      <Entries server={server} variable={field.slot.canonical} />
    </Popover>
  );
}

function Entries({ server, variable }: { server: string; variable: string }) {
  const m = useMessages(settingsTexts);
  const history = useQuery(historyQuery(server, variable));
  return (
    <Loaded query={history} skeleton={<p className="text-ink-3">{m.common.loading}</p>}>
      {(entries) =>
        entries.length === 0 ? (
          <p className="text-ink-3">{m.settings.historyEmpty}</p>
        ) : (
          <ol className="scroll-thin flex max-h-64 flex-col gap-1 overflow-y-auto">
            {entries.map((entry) => (
              <Entry key={entry.position} entry={entry} />
            ))}
          </ol>
        )
      }
    </Loaded>
  );
}

function Entry({ entry: { at, removed, by } }: { entry: ValuesHistoryEntry }) {
  const m = useMessages(settingsTexts);
  return (
    <li className="flex items-baseline gap-3 text-sm">
      <Time at={at} as="full" className="text-ink-2" />
      <span>{removed ? m.settings.historyRemoved : m.settings.historySaved}</span>
      {by ? (
        <span className="ml-auto text-ink-3 text-xs" data-name>
          {by}
        </span>
      ) : null}
    </li>
  );
}
