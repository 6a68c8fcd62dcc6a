import { useQuery } from "@tanstack/react-query";
import { nodesQuery } from "@/api/health";
import type { HubNode } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { HealthMark } from "@/components/health-mark";
import { Time } from "@/components/time";
import { Card, CardHead } from "@/components/ui/card";
import { useMessages } from "@/i18n";
import { nodesTexts } from "@/i18n/nodes";
import { standing } from "./model";

/** The hubs on this database, and what each has to do. */
export function Nodes() {
  const m = useMessages(nodesTexts);
  const { data } = useQuery(nodesQuery);
  if (!data) return null;
  return (
    <Card>
      <CardHead title={m.nodes.title} />
      <div className="overflow-x-auto">
        <table className="w-full whitespace-nowrap text-left">
          <thead className="text-2xs text-ink-3">
            <tr className="border-line border-b">
              <th className="px-3.5 py-1 font-medium">{m.nodes.columns.name}</th>
              <th className="py-1 pr-3 font-medium">{m.nodes.columns.version}</th>
              <th className="py-1 pr-3 text-right font-medium">{m.nodes.columns.sessions}</th>
              <th className="py-1 pr-3 text-right font-medium">{m.nodes.columns.streams}</th>
              <th className="py-1 pr-3 text-right font-medium">{m.nodes.columns.inFlight}</th>
              <th className="py-1 pr-3 text-right font-medium">{m.nodes.columns.runtimes}</th>
              <th className="py-1 pr-3 text-right font-medium">{m.nodes.columns.cores}</th>
              <th className="py-1 pr-3.5 text-right font-medium">{m.nodes.columns.since}</th>
            </tr>
          </thead>
          <tbody>
            {data.map((node) => (
              <NodeRow key={node.id} node={node} />
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  );
}

function NodeRow({ node }: { node: HubNode }) {
  const m = useMessages(nodesTexts);
  const format = useFormat();
  const state = standing(node);
  const counts = [node.sessions, node.streams, node.inFlight, node.runtimes];
  return (
    <tr className="border-line border-b last:border-b-0">
      <th scope="row" className="px-3.5 py-2 font-medium">
        <span className="flex items-center gap-2">
          <HealthMark status={state === "works" ? "ok" : "warning"} />
          {node.name}
          {state === "works" ? null : (
            <span className="font-normal text-ink-2 text-xs">{m.nodes.states[state]}</span>
          )}
        </span>
      </th>
      <td className="py-2 pr-3 font-mono text-ink-2 text-sm">{node.version}</td>
      {counts.map((count, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: the columns keep their places
        <td key={at} className="py-2 pr-3 text-right text-ink-2 tabular-nums">
          {state === "gone" ? "–" : format.number(count)}
        </td>
      ))}
      <td className="py-2 pr-3 text-right text-ink-2 tabular-nums">
        {state === "gone" ? "–" : m.nodes.cores(format.number(Math.round(node.cores * 100)))}
      </td>
      <td className="py-2 pr-3.5 text-right text-ink-3 text-sm">
        <Time at={state === "gone" ? node.seenAt : node.startedAt} />
      </td>
    </tr>
  );
}
