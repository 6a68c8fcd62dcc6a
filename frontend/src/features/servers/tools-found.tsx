import { Link, useNavigate } from "@tanstack/react-router";
import { useMemo } from "react";
import type { ToolView } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";
import { ToolMarks } from "./state";

/** Tools of any server that a search found. */
export function ToolsFound({ tools }: { tools: ToolView[] }) {
  const m = useMessages(serversTexts);
  const format = useFormat();
  const navigate = useNavigate();
  const columns = useMemo<Column<ToolView>[]>(
    () => [
      {
        id: "name",
        header: m.servers.columns.tool,
        width: "minmax(150px,1fr)",
        cell: ({ server, name }) => (
          <Link
            to="/servers/$name/tools/$tool"
            params={{ name: server, tool: name }}
            className="font-mono font-semibold hover:underline"
          >
            {name}
          </Link>
        ),
      },
      {
        id: "server",
        header: m.servers.columns.server,
        width: "minmax(110px,0.6fr)",
        cell: ({ server }) => <span className="font-mono text-ink-2 text-xs">{server}</span>,
      },
      {
        id: "description",
        header: m.servers.columns.description,
        width: "minmax(160px,2.4fr)",
        cell: ({ description }) => (
          <span data-name className="text-ink-2">
            {description}
          </span>
        ),
      },
      {
        id: "marks",
        header: m.servers.columns.marks,
        width: "minmax(110px,0.6fr)",
        cell: (tool) => (
          <span className="flex gap-1">
            <ToolMarks tool={tool} />
          </span>
        ),
      },
    ],
    [m],
  );
  return (
    <section aria-labelledby="tools-found" className="mt-5">
      <h2 id="tools-found" className="mb-1 font-semibold text-lg">
        {m.servers.toolsFound(format.number(tools.length))}
      </h2>
      <DataTable
        label={m.servers.toolsFound(format.number(tools.length))}
        columns={columns}
        rows={tools}
        rowId={({ server, name }) => `${server}/${name}`}
        onOpen={({ server, name }) =>
          void navigate({ to: "/servers/$name/tools/$tool", params: { name: server, tool: name } })
        }
      />
    </section>
  );
}
