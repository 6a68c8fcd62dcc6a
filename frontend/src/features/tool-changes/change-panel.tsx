import { Check, X } from "lucide-react";
import { useState } from "react";
import type { ToolChange } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { JsonView } from "@/components/json-view";
import { Time } from "@/components/time";
import { Button, IconButton } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { Notice } from "@/components/ui/notice";
import { TabPanel, Tabs } from "@/components/ui/tabs";
import { useMessages } from "@/i18n";
import { toolChangesTexts } from "@/i18n/tool-changes";
import { cn } from "@/lib/cn";
import { useApprove } from "./commands";
import { isUnknown, kindOf, readable, sidesOf, sorted } from "./model";

/** One change: field by field, and both definitions as they are. */
export function ChangePanel({ change, onClose }: { change: ToolChange; onClose: () => void }) {
  const m = useMessages(toolChangesTexts);
  const format = useFormat();
  const [tab, setTab] = useState<"fields" | "definitions">("fields");
  return (
    <aside aria-label={change.tool} className="min-w-0 rounded-lg border border-line bg-surface">
      <div className="flex items-start gap-2 px-3.5 pt-2.5">
        <div className="min-w-0 flex-1">
          <h2 className="truncate font-mono font-semibold text-lg">{change.tool}</h2>
          <p className="text-ink-3 text-sm">
            <span className="font-mono">{change.server}</span> · {m.toolChanges.kinds[kindOf(change)]} ·{" "}
            <Time at={change.since} /> · #{format.number(change.position)}
          </p>
        </div>
        <IconButton label={m.common.close} onClick={onClose}>
          <X aria-hidden />
        </IconButton>
      </div>
      <Tabs
        label={change.tool}
        value={tab}
        onChange={setTab}
        tabs={[
          { value: "fields", label: m.toolChanges.fields },
          { value: "definitions", label: m.toolChanges.definitions },
        ]}
        className="mt-1"
      >
        <TabPanel value="fields">
          <Fields change={change} />
        </TabPanel>
        <TabPanel value="definitions">
          <div className="grid divide-line max-lg:divide-y lg:grid-cols-2 lg:divide-x">
            <Definition title={m.toolChanges.before} value={change.before} hash={change.formerHash} />
            <Definition title={m.toolChanges.after} value={change.after} hash={change.hash} />
          </div>
        </TabPanel>
      </Tabs>
      <Word change={change} />
    </aside>
  );
}

function Fields({ change }: { change: ToolChange }) {
  const m = useMessages(toolChangesTexts);
  if (isUnknown(change)) {
    return (
      <Notice tone="warn" className="m-3.5">
        {m.toolChanges.unknown}
      </Notice>
    );
  }
  return (
    <section
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
      tabIndex={0}
      aria-label={m.toolChanges.fields}
      className="scroll-thin max-h-[56vh] overflow-y-auto p-3.5"
    >
      <dl className="overflow-hidden rounded-md border border-line">
        {sorted(change.differences).map((difference) => (
          <div
            key={difference.field}
            className="grid border-line border-b last:border-b-0 sm:grid-cols-[minmax(0,168px)_minmax(0,1fr)]"
          >
            <dt className="break-words bg-raised px-2.5 py-1.5 font-mono text-ink-2 text-xs">
              {readable(difference.field)}
            </dt>
            <dd className="min-w-0">
              {sidesOf(difference).map(({ sign, text }) => (
                <p
                  key={sign}
                  className={cn(
                    "flex gap-1.5 px-2.5 py-1.5 font-mono text-xs",
                    sign === "+" ? "bg-ok-soft" : "bg-bad-soft",
                  )}
                >
                  <span className={sign === "+" ? "text-ok" : "text-bad"} aria-hidden>
                    {sign}
                  </span>
                  <span className="sr-only">{sign === "+" ? m.toolChanges.after : m.toolChanges.before}</span>
                  <span className="min-w-0 whitespace-pre-wrap break-words">{text}</span>
                </p>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Definition({ title, value, hash }: { title: string; value: unknown; hash: string | null }) {
  const m = useMessages(toolChangesTexts);
  return (
    <section className="min-w-0">
      <h3 className="flex items-center gap-1 px-3.5 pt-2.5 font-medium text-ink-2 text-sm">
        {title}
        {hash ? (
          <>
            <code className="text-2xs text-ink-3" title={hash}>
              {hash.slice(0, 12)}
            </code>
            <CopyButton
              value={() => hash}
              label={`${m.common.copy}: SHA-256`}
              className="size-5 [&_svg]:size-3"
            />
          </>
        ) : null}
      </h3>
      {value === null ? (
        <p className="px-3.5 py-2 text-ink-3 text-sm">
          {hash === null ? m.toolChanges.noneBefore : m.toolChanges.notKept}
        </p>
      ) : (
        <JsonView value={value} label={title} open={5} className="max-h-[52vh]" />
      )}
    </section>
  );
}

/** What an administrator says of it, or why nothing is to be said. */
function Word({ change }: { change: ToolChange }) {
  const m = useMessages(toolChangesTexts);
  const me = useMe();
  const approve = useApprove();
  const older = change.newest !== change.hash;
  return (
    <div className="border-line border-t px-3.5 py-2.5">
      {change.waiting && older ? (
        <Notice tone="warn" className="mb-2.5">
          {m.toolChanges.newerWaits}
        </Notice>
      ) : null}
      <div className="flex items-center gap-3">
        <p className="flex-1 text-ink-3 text-sm">
          {!change.waiting
            ? m.toolChanges.acceptedText
            : me.isAdmin
              ? m.toolChanges.waitsText
              : m.toolChanges.adminsApprove}
        </p>
        {change.waiting ? (
          <Button
            size="md"
            tone="primary"
            disabled={!me.isAdmin}
            title={me.isAdmin ? undefined : m.toolChanges.adminsApprove}
            busy={approve.isPending}
            onClick={() => approve.mutate(change)}
          >
            <Check aria-hidden />
            {m.toolChanges.approve}
          </Button>
        ) : null}
      </div>
    </div>
  );
}
