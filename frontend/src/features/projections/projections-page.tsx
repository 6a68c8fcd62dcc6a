import { Link } from "@tanstack/react-router";
import type { ProjectionView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Card } from "@/components/ui/card";
import { useMessages } from "@/i18n";
import { projectionsTexts } from "@/i18n/projections";
import { cn } from "@/lib/cn";
import { ProjectionsFrame } from "./frame";
import { CheckedMark, Parked, StateMark } from "./state";

/** Where each read table stands, and whether it is what the events say. */
export function ProjectionsPage() {
  const m = useMessages(projectionsTexts);
  return (
    <ProjectionsFrame title={m.projections.title} subtitle={m.projections.subtitle}>
      {({ data }) => <Tables tables={data} />}
    </ProjectionsFrame>
  );
}

function Tables({ tables }: { tables: ProjectionView[] }) {
  const m = useMessages(projectionsTexts);
  const { columns } = m.projections;
  const head = "py-1.5 font-medium";
  return (
    <Card className="scroll-thin overflow-x-auto">
      <table className="w-full text-left">
        <thead className="text-2xs text-ink-3">
          <tr className="border-line border-b">
            <th className={cn(head, "pl-3.5")}>{columns.name}</th>
            <th className={head}>{columns.state}</th>
            <th className={cn(head, "text-right")}>{columns.position}</th>
            <th className={cn(head, "text-right")}>{columns.lag}</th>
            <th className={cn(head, "text-right max-md:hidden")}>{columns.rate}</th>
            <th className={cn(head, "pr-3.5 text-right max-md:hidden")}>{columns.checked}</th>
          </tr>
        </thead>
        {tables.map((table) => (
          <Row key={table.name} table={table} />
        ))}
      </table>
    </Card>
  );
}

function Row({ table }: { table: ProjectionView }) {
  const m = useMessages(projectionsTexts);
  const format = useFormat();
  const failed = table.state === "failed";
  return (
    <tbody className={cn("border-line border-b last:border-b-0", failed && "bg-bad-soft")}>
      <tr className="h-row">
        <th scope="row" className="py-1.5 pl-3.5 font-medium">
          <Link
            to="/admin/projections/$name"
            params={{ name: table.name }}
            className="font-mono text-accent text-sm underline"
          >
            {table.name}
          </Link>{" "}
          <span className="font-mono font-normal text-2xs text-ink-3">v{table.version}</span>
        </th>
        <td>
          <StateMark state={table.state} />
        </td>
        <td className="text-right font-mono text-sm tabular-nums">#{format.number(table.position)}</td>
        <td className="text-right text-sm tabular-nums">
          {table.lag === 0
            ? "0"
            : m.projections.behind(
                format.number(table.lag),
                format.duration(Math.round(table.lateSeconds) * 1000),
              )}
        </td>
        <td className="text-right text-sm tabular-nums max-md:hidden">
          {m.projections.perSecond(format.number(table.rate))}
        </td>
        <td className="pr-3.5 text-right max-md:hidden">
          <CheckedMark checked={table.checked} />
        </td>
      </tr>
      {failed ? (
        <tr>
          <td colSpan={6} className="px-3.5 pb-2">
            <Parked table={table} />
          </td>
        </tr>
      ) : null}
    </tbody>
  );
}
