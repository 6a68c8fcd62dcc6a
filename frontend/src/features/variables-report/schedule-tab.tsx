import { useQuery } from "@tanstack/react-query";
import { type FormEvent, type ReactNode, useState } from "react";
import { asProblem, explain } from "@/api/problem";
import type { LastRun, SchedulerStatus, ShownConfig } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Loaded, SkeletonCards } from "@/components/states";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Card, CardHead } from "@/components/ui/card";
import { Input } from "@/components/ui/input";
import { Switch } from "@/components/ui/switch";
import { useMessages } from "@/i18n";
import { rich } from "@/i18n/rich";
import { variablesTexts } from "@/i18n/variables";
import { useShortcut } from "@/lib/shortcuts";
import { useVariableCommands } from "./commands";
import { changesOf, outOfRange, RANGES, todayAt } from "./model";
import { scheduleQuery } from "./queries";

export function ScheduleTab() {
  const status = useQuery(scheduleQuery);
  const { configure, run } = useVariableCommands();
  const m = useMessages(variablesTexts);
  return (
    <Loaded query={status} skeleton={<SkeletonCards cards={2} />}>
      {(found) => (
        <div className="flex max-w-[970px] flex-col gap-3">
          <Card aria-label={m.variables.lastRun}>
            <CardHead
              title={m.variables.regular}
              end={
                <Button busy={run.isPending} onClick={() => run.mutate()}>
                  {m.variables.run}
                </Button>
              }
            />
            <Outcome status={found} />
          </Card>
          <ConfigForm key={JSON.stringify(found.config)} saved={found.config} configure={configure} />
        </div>
      )}
    </Loaded>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt className="text-2xs text-ink-3">{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Outcome({ status: { lastRun, nextRun } }: { status: SchedulerStatus }) {
  const m = useMessages(variablesTexts);
  const format = useFormat();
  return (
    <dl className="flex flex-wrap gap-x-8 gap-y-2 border-line border-t px-3.5 py-2.5">
      <Fact name={m.variables.nextRun}>{nextRun ? <Time at={nextRun} as="full" /> : m.variables.offNow}</Fact>
      <Fact name={m.variables.lastRun}>
        {lastRun ? (
          <>
            <Time at={lastRun.at} />,{" "}
            {rich(lastRun.byName ? m.variables.byUser(lastRun.byName) : m.variables.byTime)}
          </>
        ) : (
          m.variables.never
        )}
      </Fact>
      {lastRun ? (
        <>
          <Fact name={m.variables.found}>
            <Found issues={lastRun.issues} />
          </Fact>
          <Fact name={m.variables.destroyed}>
            {m.variables.destroyedOf(format.number(lastRun.removed), format.number(lastRun.orphaned))}
          </Fact>
        </>
      ) : null}
    </dl>
  );
}

function Found({ issues }: { issues: LastRun["issues"] }) {
  const m = useMessages(variablesTexts);
  const format = useFormat();
  const found = Object.entries(issues).filter(([, count]) => count > 0);
  if (found.length === 0) return m.variables.foundNothing;
  return (
    <ul>
      {found.map(([code, count]) => (
        <li key={code}>
          {m.variables.foundOf(
            format.number(count),
            code in m.variables.codes ? m.variables.codes[code as "ORPHANED_KEY"] : code,
          )}
        </li>
      ))}
    </ul>
  );
}

interface ConfigFormProps {
  saved: ShownConfig;
  configure: ReturnType<typeof useVariableCommands>["configure"];
}

function ConfigForm({ saved, configure }: ConfigFormProps) {
  const m = useMessages(variablesTexts);
  const format = useFormat();
  const [draft, setDraft] = useState(saved);
  const put = (over: Partial<ShownConfig>) => {
    configure.reset();
    setDraft((before) => ({ ...before, ...over }));
  };
  const changes = changesOf(draft, saved);
  const dirty = Object.keys(changes).length > 0;
  const save = () => configure.mutate(changes);
  const problem = configure.error ? asProblem(configure.error) : null;
  const local = todayAt(draft.scheduledTime, new Date());
  const beyond = outOfRange(draft);
  const range = (name: keyof typeof RANGES) =>
    beyond.includes(name)
      ? m.variables.range(format.number(RANGES[name].least), format.number(RANGES[name].most))
      : undefined;
  const ready = dirty && beyond.length === 0 && local !== null;
  useShortcut("mod+s", () => ready && !configure.isPending && save());
  return (
    <Card aria-label={m.variables.tabs.schedule}>
      <form
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          if (ready) save();
        }}
      >
        <Line label={m.variables.enabled} hint={m.variables.regularText} first>
          <Switch
            checked={draft.enabled}
            label={m.variables.enabled}
            onChange={(enabled) => put({ enabled })}
          />
        </Line>
        <Line label={m.variables.interval} error={range("intervalHours")}>
          <NumberField
            label={m.variables.interval}
            value={draft.intervalHours}
            {...RANGES.intervalHours}
            onChange={(intervalHours) => put({ intervalHours })}
          />
          <span className="text-ink-2">{m.variables.hours}</span>
        </Line>
        <Line label={m.variables.at}>
          <Input
            // Not type=time, which is of twelve hours in some browsers.
            aria-label={m.variables.at}
            aria-invalid={local === null ? true : undefined}
            inputMode="numeric"
            placeholder="HH:MM"
            maxLength={5}
            value={draft.scheduledTime}
            className="w-32 text-right font-mono"
            onChange={(event) => put({ scheduledTime: event.target.value })}
          />
          <span className="text-ink-2">{m.variables.utc}</span>
          {local ? (
            <span className="text-ink-3 text-xs">{m.variables.atLocal(format.time(local).slice(0, 5))}</span>
          ) : null}
        </Line>
        <Line label={m.variables.auto} hint={m.variables.autoText}>
          <Switch
            checked={draft.autoCleanup}
            label={m.variables.auto}
            onChange={(autoCleanup) => put({ autoCleanup })}
          />
        </Line>
        <Line label={m.variables.most} hint={m.variables.mostText} error={range("maxOrphanedKeys")}>
          <NumberField
            label={m.variables.most}
            value={draft.maxOrphanedKeys}
            {...RANGES.maxOrphanedKeys}
            onChange={(maxOrphanedKeys) => put({ maxOrphanedKeys })}
          />
          <span className="text-ink-2">{m.variables.values}</span>
        </Line>
        <div className="flex items-center justify-end gap-2 border-line border-t px-3.5 py-2.5">
          {problem ? (
            <p role="alert" className="flex-1 text-bad text-sm">
              {explain(problem, m)}
            </p>
          ) : null}
          <Button size="md" tone="ghost" disabled={!dirty} onClick={() => put(saved)}>
            {m.common.revert}
          </Button>
          <Button type="submit" size="md" tone="primary" disabled={!ready} busy={configure.isPending}>
            {m.common.save}
          </Button>
        </div>
      </form>
    </Card>
  );
}

interface LineProps {
  label: string;
  hint?: string;
  error?: string;
  first?: boolean;
  children: ReactNode;
}

function Line({ label, hint, error, first, children }: LineProps) {
  return (
    <div
      className={`grid items-center gap-x-4 gap-y-1 px-3.5 py-2.5 sm:grid-cols-[280px_minmax(0,1fr)] ${first ? "" : "border-line border-t"}`}
    >
      <div>
        <p className="font-medium">{label}</p>
        {hint ? <p className="text-ink-3 text-xs">{hint}</p> : null}
      </div>
      <div>
        <div className="flex flex-wrap items-center gap-2">{children}</div>
        {error ? <p className="mt-1 text-bad text-xs">{error}</p> : null}
      </div>
    </div>
  );
}

interface NumberFieldProps {
  label: string;
  value: number;
  least: number;
  most: number;
  onChange: (value: number) => void;
}

function NumberField({ label, value, least, most, onChange }: NumberFieldProps) {
  return (
    <Input
      type="number"
      aria-label={label}
      min={least}
      max={most}
      step={1}
      value={Number.isNaN(value) ? "" : value}
      className="w-32 text-right"
      onChange={(event) => onChange(event.target.valueAsNumber)}
    />
  );
}
