import { useQuery } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";
import { healthQuery } from "@/api/health";
import type { HealthCheck, HealthReport } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { HealthMark } from "@/components/health-mark";
import { Page } from "@/components/page";
import { Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Card, CardHead } from "@/components/ui/card";
import { CodeBlock } from "@/components/ui/code-block";
import { CopyButton } from "@/components/ui/copy-button";
import { useMessages } from "@/i18n";
import { healthTexts } from "@/i18n/health";
import { cn } from "@/lib/cn";
import { foundText, remedyText } from "./model";
import { Nodes } from "./nodes";

/** What of the hub is well, what is not, and what to do about it. */
export function HealthPage() {
  const m = useMessages(healthTexts);
  const health = useQuery(healthQuery);
  return (
    <Page
      title={m.health.title}
      subtitle={m.health.subtitle}
      width="form"
      end={
        <>
          {health.data ? <HealthMark status={health.data.status} word /> : null}
          <Button
            size="md"
            busy={health.isFetching && !health.isPending}
            onClick={() => void health.refetch()}
          >
            <RefreshCw aria-hidden />
            {m.health.again}
          </Button>
        </>
      }
    >
      <Loaded query={health} skeleton={<SkeletonRows rows={10} />}>
        {(report) => (
          <div className="flex flex-col gap-3">
            <Checks checks={report.checks} />
            <Nodes />
            <Build report={report} />
            <Card className="px-3.5 pb-3.5">
              <CardHead title={m.health.doctor} className="px-0" />
              <p className="mb-2 text-ink-2">{m.health.doctorText}</p>
              <CodeBlock text="mcphub doctor" label={m.health.doctor} />
            </Card>
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function Checks({ checks }: { checks: HealthCheck[] }) {
  const m = useMessages(healthTexts);
  return (
    <Card>
      <CardHead title={m.health.checks} />
      <table className="w-full text-left">
        <thead className="text-2xs text-ink-3 max-md:sr-only">
          <tr className="border-line border-b">
            <th className="w-44 px-3.5 py-1 font-medium">{m.health.columns.part}</th>
            <th className="py-1 font-medium">{m.health.columns.found}</th>
            <th className="w-20 py-1 text-right font-medium">{m.health.columns.took}</th>
            <th className="w-32 py-1 pr-3.5 text-right font-medium">{m.health.columns.since}</th>
          </tr>
        </thead>
        <tbody>
          {checks.map((check) => (
            <CheckRow key={check.name} check={check} />
          ))}
        </tbody>
      </table>
    </Card>
  );
}

function CheckRow({ check }: { check: HealthCheck }) {
  const m = useMessages(healthTexts);
  const format = useFormat();
  const remedy = remedyText(check, m);
  const name = m.health.names[check.name as keyof typeof m.health.names] ?? check.name;
  return (
    <tr
      data-check={check.name}
      className={cn(
        "border-line border-b align-top last:border-b-0 max-md:grid max-md:grid-cols-[1fr_auto] max-md:px-3.5 max-md:py-2",
        check.status === "error" && "bg-bad-soft",
        check.status === "warning" && "bg-warn-soft",
      )}
    >
      <th scope="row" className="px-3.5 py-2 font-medium max-md:col-span-2 max-md:p-0">
        <span className="flex items-center gap-2">
          <HealthMark status={check.status} />
          {name}
        </span>
      </th>
      <td className="py-2 pr-3 text-ink-2 max-md:col-span-2 max-md:p-0">
        <p className="break-words">{foundText(check, m, format)}</p>
        {remedy ? <p className="mt-0.5 text-ink">{remedy}</p> : null}
        {check.command ? (
          <p className="mt-1 inline-flex items-center gap-1 rounded border border-line bg-surface pl-1.5 text-xs">
            <code className="text-ink">{check.command}</code>
            <CopyButton
              value={() => check.command}
              label={m.health.copyCommand(check.command)}
              className="size-6 [&_svg]:size-3.5"
            />
          </p>
        ) : null}
      </td>
      <td className="whitespace-nowrap py-2 text-right text-ink-2 tabular-nums max-md:p-0 max-md:text-left max-md:text-xs">
        {m.health.took(
          check.latencyMs < 10 ? check.latencyMs.toFixed(1) : format.number(Math.round(check.latencyMs)),
        )}
      </td>
      <td className="py-2 pr-3.5 text-right text-ink-3 text-sm max-md:p-0">
        <Time at={check.since} />
      </td>
    </tr>
  );
}

function Build({ report }: { report: HealthReport }) {
  const m = useMessages(healthTexts);
  const format = useFormat();
  const rows = [
    [m.health.build.version, report.version],
    ["Python", report.python],
    ["PostgreSQL", report.postgres || "–"],
    [m.health.build.node, report.node],
    [m.health.build.uptime, format.duration(report.uptime * 1000)],
  ] as const;
  return (
    <Card>
      <CardHead title={m.health.build.title} />
      <dl className="grid grid-cols-[repeat(auto-fit,minmax(140px,1fr))] gap-px border-line border-t bg-line">
        {rows.map(([name, value]) => (
          <div key={name} className="min-w-0 bg-surface px-3.5 py-2">
            <dt className="text-2xs text-ink-3">{name}</dt>
            <dd className="truncate font-mono text-sm" title={value}>
              {value}
            </dd>
          </div>
        ))}
        <div className="bg-surface px-3.5 py-2">
          <dt className="text-2xs text-ink-3">{m.health.build.started}</dt>
          <dd className="text-sm">
            <Time at={report.startedAt} as="full" />
          </dd>
        </div>
      </dl>
    </Card>
  );
}
