import { Link } from "@tanstack/react-router";
import { ShieldAlert, ShieldCheck, Undo2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import type { FactDetail as Detail, Fact } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { JsonView } from "@/components/json-view";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Notice } from "@/components/ui/notice";
import { TabPanel, Tabs } from "@/components/ui/tabs";
import { useMessages } from "@/i18n";
import { auditTexts } from "@/i18n/audit";
import { rich } from "@/i18n/rich";
import { undoTexts } from "@/i18n/undo";
import { cn } from "@/lib/cn";
import { Actor } from "./actor";
import { Changes } from "./changes";
import { Line, Lines } from "./lines";
import { subjectText } from "./model";
import { Sentence } from "./sentence";
import { UndoDialog } from "./undo-dialog";

interface FactDetailProps {
  detail: Detail;
  /** Leads to another event of the same cause. */
  link: (position: number, className: string, children: ReactNode) => ReactNode;
  onTerm?: (key: string, value: string, not: boolean) => void;
}

type Tab = "changes" | "payload" | "chain";

/** One fact: when, who, about what; what it changed; what else came of the same cause. */
export function FactDetail({ detail, link, onTerm }: FactDetailProps) {
  const m = useMessages(auditTexts);
  const format = useFormat();
  const [tab, setTab] = useState<Tab>("changes");
  const { fact, chain, changed, together } = detail;
  const Shield = chain.holds ? ShieldCheck : ShieldAlert;
  return (
    <div className="flex flex-col gap-3">
      <p>
        <span data-name>{fact.actorName}</span> · <Sentence item={fact} />
      </p>
      <Facts fact={fact} onTerm={onTerm} />
      {changed === null ? null : <UndoButton fact={fact} />}
      <Tabs<Tab>
        value={tab}
        onChange={setTab}
        label={m.audit.tabs}
        tabs={(["changes", "payload", "chain"] as const).map((value) => ({
          value,
          label: m.audit.tab[value],
        }))}
      >
        <TabPanel value="changes" className="pt-3">
          <Changes changed={changed} />
        </TabPanel>
        <TabPanel value="payload" className="pt-3">
          <JsonView
            label={m.audit.tab.payload}
            value={{ type: fact.type, tags: fact.tags, ...fact.data }}
            className="max-h-96 rounded-md border border-line bg-sunken"
          />
        </TabPanel>
        <TabPanel value="chain" className="flex flex-col gap-2 pt-3">
          <Notice tone={chain.holds ? "ok" : "bad"}>
            {rich(chain.holds ? m.audit.chainHolds : m.audit.chainBroken)}
          </Notice>
          <Lines>
            <Line name={m.audit.hash} copy={chain.hash}>
              <code className="text-xs">{chain.hash}</code>
            </Line>
            <Line name={m.audit.previousHash} copy={chain.previous}>
              <code className="text-xs">{chain.previous}</code>
            </Line>
          </Lines>
        </TabPanel>
      </Tabs>
      {together.length > 1 ? (
        <section aria-label={m.audit.together(format.number(together.length))}>
          <h3 className="pb-1 font-semibold text-sm">{m.audit.together(format.number(together.length))}</h3>
          <ul className="max-h-80 overflow-y-auto">
            {together.map((one, at) => (
              <li key={one.position}>
                {link(
                  one.position,
                  cn(
                    "flex items-center gap-2 rounded px-1.5 py-1 text-xs hover:bg-raised",
                    one.position === fact.position && "bg-accent-soft",
                  ),
                  <>
                    <span className="font-mono text-ink-3">{one.position}</span>
                    <span className="min-w-0 flex-1 truncate font-mono">{one.type}</span>
                    <span className="shrink-0 text-ink-3">{sinceFirst(together, at, format.duration)}</span>
                  </>,
                )}
              </li>
            ))}
          </ul>
        </section>
      ) : null}
      <p className="flex items-center gap-1.5 text-2xs text-ink-3">
        <Shield className={cn("size-3.5", chain.holds ? "text-ok" : "text-bad")} aria-hidden />
        {rich(chain.holds ? m.audit.chainHolds : m.audit.chainBroken)}
      </p>
    </div>
  );
}

/** For administrators, of what changed something; what cannot be undone says why when it is asked. */
function UndoButton({ fact }: { fact: Fact }) {
  const m = useMessages(undoTexts);
  const { isAdmin } = useMe();
  const [open, setOpen] = useState(false);
  if (!isAdmin) return null;
  return (
    <div>
      <Button onClick={() => setOpen(true)}>
        <Undo2 aria-hidden />
        {m.undo.open}
      </Button>
      {open ? <UndoDialog position={fact.position} onClose={() => setOpen(false)} /> : null}
    </div>
  );
}

function Facts({ fact, onTerm }: { fact: Fact; onTerm?: FactDetailProps["onTerm"] }) {
  const m = useMessages(auditTexts);
  const { sources } = m.audit;
  const source = fact.source in sources ? sources[fact.source as keyof typeof sources] : fact.source;
  const actor = fact.actor.startsWith("system:") ? fact.actor : fact.actorName;
  return (
    <Lines>
      <Line name={m.audit.recorded} copy={fact.at}>
        <Time at={fact.at} as="full" />{" "}
        <span className="text-ink-3">
          <Time at={fact.at} />
        </span>
      </Line>
      <Line name={m.audit.actor} copy={fact.actor} term={["actor", actor]} onTerm={onTerm}>
        <Actor item={fact} />
      </Line>
      <Line name={m.audit.source} term={["source", fact.source]} onTerm={onTerm}>
        {source}
        {fact.command ? <code className="pl-2 text-ink-3">{fact.command}</code> : null}
      </Line>
      {fact.ip ? (
        <Line name={m.audit.address} copy={fact.ip}>
          <code>{fact.ip}</code>
        </Line>
      ) : null}
      {fact.agent ? <Line name={m.audit.agent}>{fact.agent}</Line> : null}
      {fact.subject ? (
        <Line name={m.audit.subject} copy={fact.subject.tag} term={["tag", fact.subject.tag]} onTerm={onTerm}>
          <Link
            to="/admin/streams/$streamId"
            params={{ streamId: fact.subject.tag }}
            className="font-mono text-accent hover:underline"
          >
            {subjectText(fact.subject)}
          </Link>
        </Line>
      ) : null}
      {fact.trace ? (
        <Line name={m.audit.cause} copy={fact.trace} term={["trace", fact.trace]} onTerm={onTerm}>
          <Link
            to="/admin/traces/$correlationId"
            params={{ correlationId: fact.trace }}
            className="font-mono text-accent text-xs hover:underline"
          >
            {fact.trace}
          </Link>
        </Line>
      ) : null}
    </Lines>
  );
}

function sinceFirst(together: Fact[], at: number, duration: (milliseconds: number) => string): string {
  const first = together[0];
  const here = together[at];
  if (at === 0 || !first || !here) return "";
  return `+${duration(Date.parse(here.at) - Date.parse(first.at))}`;
}
