import { getRouteApi, Link } from "@tanstack/react-router";
import { ChevronLeft } from "lucide-react";
import type { ReactNode } from "react";
import type { ProjectionView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { EmptyState } from "@/components/states";
import { Time } from "@/components/time";
import { buttonLook } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { CodeBlock } from "@/components/ui/code-block";
import { CopyButton } from "@/components/ui/copy-button";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { bytes } from "@/i18n/format";
import { projectionsTexts } from "@/i18n/projections";
import { ProjectionsFrame } from "./frame";
import { CheckedMark, Parked, StateMark } from "./state";

const route = getRouteApi("/_app/admin/projections/$name");

/** One read table: all that is known of where it stands. */
export function ProjectionPage() {
  const m = useMessages(projectionsTexts);
  const { name } = route.useParams();
  return (
    <ProjectionsFrame
      title={<code>{name}</code>}
      subtitle={
        <Link to="/admin/projections" className="inline-flex items-center gap-1 hover:underline">
          <ChevronLeft className="size-3.5" aria-hidden />
          {m.projections.title}
        </Link>
      }
    >
      {({ data }) => {
        const table = data.find((one) => one.name === name);
        return table ? <Details table={table} /> : <NoSuchTable />;
      }}
    </ProjectionsFrame>
  );
}

function NoSuchTable() {
  const m = useMessages(projectionsTexts);
  return (
    <EmptyState
      title={m.projections.unknown}
      action={
        <Link to="/admin/projections" className={buttonLook()}>
          {m.projections.title}
        </Link>
      }
    />
  );
}

function Details({ table }: { table: ProjectionView }) {
  const m = useMessages(projectionsTexts);
  const format = useFormat();
  const { fields, holds } = m.projections;
  const { checked } = table;
  const number = (value: number) => <span className="font-mono">{format.number(value)}</span>;
  return (
    <>
      {table.name in holds ? <p className="text-ink-2">{holds[table.name as keyof typeof holds]}</p> : null}
      {table.state === "failed" ? (
        <Notice tone="bad" announce>
          <Parked table={table} />
          <p className="mt-1 text-ink text-sm">{m.projections.noneIsLeftOut}</p>
        </Notice>
      ) : null}
      <Card>
        <dl className="divide-y divide-line">
          <Field name={fields.state}>
            <StateMark state={table.state} />
          </Field>
          <Field name={fields.position}>#{number(table.position)}</Field>
          <Field name={fields.head}>#{number(table.head)}</Field>
          <Field name={fields.lag}>{number(table.lag)}</Field>
          <Field name={fields.late}>{format.duration(Math.round(table.lateSeconds) * 1000)}</Field>
          <Field name={fields.rate}>{m.projections.perSecond(format.number(table.rate))}</Field>
          <Field name={fields.version}>{number(table.version)}</Field>
          <Field name={fields.size}>
            <span className="font-mono">{bytes(table.bytes)}</span>
          </Field>
          <Field name={fields.updated}>
            <Time at={table.updatedAt} />
          </Field>
          <Field name={fields.checked}>
            <span className="flex flex-wrap items-center gap-2">
              <CheckedMark checked={checked} />
              {checked ? (
                <span className="text-ink-2 text-sm">
                  {m.projections.checkedAt(format.number(checked.position))} <Time at={checked.at} />
                </span>
              ) : null}
            </span>
          </Field>
          {checked ? (
            <Field name={fields.checksum}>
              <span className="flex min-w-0 items-center gap-1">
                <code className="break-all text-xs">{checked.checksum}</code>
                <CopyButton value={() => checked.checksum} className="size-6 [&_svg]:size-3.5" />
              </span>
            </Field>
          ) : null}
        </dl>
      </Card>
      <CodeBlock text="mcphub rebuild --check" label={m.projections.commandLine} />
    </>
  );
}

function Field({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="grid grid-cols-[11rem_1fr] items-center gap-2 px-3.5 py-2 max-md:grid-cols-1">
      <dt className="text-ink-3 text-sm">{name}</dt>
      <dd className="min-w-0">{children}</dd>
    </div>
  );
}
