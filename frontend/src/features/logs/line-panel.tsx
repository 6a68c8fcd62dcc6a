import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { X } from "lucide-react";
import { useState } from "react";
import { PeekPanel } from "@/components/peek-panel";
import { Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button, buttonLook, IconButton } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { useMessages } from "@/i18n";
import { logsTexts } from "@/i18n/logs";
import { cn } from "@/lib/cn";
import { LEVEL_TONE, LogText, Value } from "./line";
import type { Line } from "./model";
import { aroundQuery } from "./queries";

interface LinePanelProps {
  line: Line;
  onClose: () => void;
  /** Narrows the log to one value. */
  onOnly: (key: string, value: string) => void;
}

const ASKED: Record<string, string> = { server: "server", request_id: "request" };

/** One line with all its fields, what else can be seen of it, and the lines around it. */
export function LinePanel({ line, onClose, onOnly }: LinePanelProps) {
  const m = useMessages(logsTexts);
  const [around, setAround] = useState<string | null>(null);
  return (
    <PeekPanel
      label={m.logs.detail}
      title={
        <>
          <span className="min-w-0 truncate font-mono">{line.event}</span>
          <Badge tone={LEVEL_TONE[line.level]}>{m.logs.levels[line.level]}</Badge>
        </>
      }
      buttons={
        <>
          <CopyButton value={() => JSON.stringify(line.record, null, 2)} label={m.logs.copyJson} />
          <IconButton label={m.common.close} onClick={onClose}>
            <X aria-hidden />
          </IconButton>
        </>
      }
    >
      <dl className="grid grid-cols-[auto_minmax(0,1fr)_auto] items-baseline gap-x-3 gap-y-1 text-sm">
        <dt className="text-ink-3">{m.logs.fields.time}</dt>
        <dd className="col-span-2">{line.at ? <Time at={line.at} as="full" /> : "–"}</dd>
        <dt className="text-ink-3">{m.logs.fields.source}</dt>
        <dd className="font-mono text-xs">{line.source}</dd>
        <dd>
          <Only onPress={() => onOnly("source", line.source)} of={line.source} />
        </dd>
        {line.fields.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="font-mono text-ink-3 text-xs">{name}</dt>
            <dd className="whitespace-pre-wrap break-all font-mono text-xs">
              <Value text={value} />
            </dd>
            <dd>
              {ASKED[name] ? <Only onPress={() => onOnly(ASKED[name] ?? "", value)} of={value} /> : null}
            </dd>
          </div>
        ))}
      </dl>
      <div className="flex flex-wrap gap-2 py-3">
        {line.requestId ? (
          <Link
            to="/admin/requests/$requestId"
            params={{ requestId: line.requestId }}
            className={buttonLook()}
          >
            {m.logs.openRequest}
          </Link>
        ) : null}
        {around === line.id ? null : <Button onClick={() => setAround(line.id)}>{m.logs.around}</Button>}
      </div>
      {around === line.id ? <Around line={line} /> : null}
    </PeekPanel>
  );
}

function Only({ of, onPress }: { of: string; onPress: () => void }) {
  const m = useMessages(logsTexts);
  return (
    <button
      type="button"
      aria-label={m.logs.onlyOf(of)}
      className="whitespace-nowrap rounded text-accent text-xs hover:underline"
      onClick={onPress}
    >
      {m.logs.only}
    </button>
  );
}

function Around({ line }: { line: Line }) {
  const m = useMessages(logsTexts);
  const lines = useQuery(aroundQuery(line.n));
  return (
    <section aria-label={m.logs.aroundTitle} className="-mx-4 border-line border-t">
      <h3 className="px-4 pt-2 pb-1 font-medium text-2xs text-ink-3">{m.logs.aroundTitle}</h3>
      <Loaded query={lines} skeleton={<SkeletonRows rows={6} />}>
        {(found) => (
          <ol>
            {found.map((one) => (
              <li key={one.id} className={cn(one.id === line.id && "bg-accent-soft")}>
                <LogText line={one} wrap />
              </li>
            ))}
          </ol>
        )}
      </Loaded>
    </section>
  );
}
