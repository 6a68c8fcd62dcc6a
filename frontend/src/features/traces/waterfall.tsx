import { Link } from "@tanstack/react-router";
import { useFormat } from "@/app/look";
import { Card } from "@/components/ui/card";
import { useMessages } from "@/i18n";
import { tracesTexts } from "@/i18n/traces";
import type { Span } from "./model";

const COLORS: Record<Span["kind"], string> = {
  request: "var(--ink-3)",
  call: "var(--ink-3)",
  wait: "var(--warn)",
  upstream: "var(--cat-group)",
  command: "var(--accent-line)",
  fact: "var(--accent)",
  access: "var(--cat-session)",
};

/** Each thing on a line of its own, below what caused it, and to its right when it was. */
export function WaterfallTable({ spans, whole }: { spans: Span[]; whole: number }) {
  const m = useMessages(tracesTexts);
  const format = useFormat();
  return (
    <Card className="scroll-thin overflow-x-auto">
      <table className="w-full table-fixed text-left">
        <colgroup>
          <col className="w-[46%] md:w-[38%]" />
          <col className="w-24" />
          <col />
        </colgroup>
        <thead className="text-2xs text-ink-3">
          <tr className="border-line border-b">
            <th className="py-1.5 pl-3.5 font-medium">{m.traces.columns.what}</th>
            <th className="py-1.5 text-right font-medium">{m.traces.columns.after}</th>
            <th className="py-1.5 pr-3.5 pl-4 font-medium">{m.traces.columns.when}</th>
          </tr>
        </thead>
        <tbody>
          {spans.map((span) => (
            <tr key={span.id} className="h-row border-line border-b last:border-b-0">
              <th scope="row" className="truncate pl-3.5 font-normal">
                <span style={{ paddingLeft: `${span.depth * 16}px` }}>
                  <Name span={span} />
                </span>
              </th>
              <td className="text-right text-ink-2 text-sm tabular-nums">
                {span.from > 0 ? `+${format.duration(span.from)}` : "0"}
              </td>
              <td className="pr-3.5 pl-4">
                <Bar span={span} whole={whole} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </Card>
  );
}

function Name({ span }: { span: Span }) {
  const m = useMessages(tracesTexts);
  const format = useFormat();
  const detail = span.detail ? (
    <span data-name className="pl-2 text-ink-3 text-xs">
      {span.detail}
    </span>
  ) : null;
  if (span.position !== undefined) {
    return (
      <>
        <Link
          to="/admin/audit/$position"
          params={{ position: String(span.position) }}
          className="font-mono text-accent text-sm underline"
        >
          {span.name} #{format.number(span.position)}
        </Link>
        {detail}
      </>
    );
  }
  if (span.kind === "call") {
    return (
      <>
        <Link
          to="/admin/requests/$requestId"
          params={{ requestId: span.id }}
          className="font-mono text-accent text-sm underline"
        >
          {span.name}
        </Link>
        {detail}
      </>
    );
  }
  return (
    <>
      <span className="text-ink-2 text-sm">{m.traces.kinds[span.kind]}</span>{" "}
      {span.name ? <code className="text-sm">{span.name}</code> : null}
      {detail}
    </>
  );
}

function Bar({ span, whole }: { span: Span; whole: number }) {
  const format = useFormat();
  const left = (span.from / whole) * 100;
  const width = (span.length / whole) * 100;
  return (
    <span className="flex items-center gap-2">
      <span className="relative h-2.5 flex-1 rounded-sm bg-raised" aria-hidden>
        <span
          className="absolute inset-y-0 min-w-1 rounded-sm"
          style={{
            left: `min(${left}%, calc(100% - 4px))`,
            width: `${width}%`,
            background: COLORS[span.kind],
          }}
        />
      </span>
      <span className="w-16 shrink-0 text-right text-ink-3 text-xs tabular-nums">
        {span.length > 0 ? format.duration(span.length) : ""}
      </span>
    </span>
  );
}
