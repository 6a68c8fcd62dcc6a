import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { CircleAlert, CircleCheck, Eraser, Info, TriangleAlert } from "lucide-react";
import { useMemo, useState } from "react";
import type { Validation } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { type Column, DataTable } from "@/components/data-table/data-table";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Badge, type Tone } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { SearchInput } from "@/components/ui/input";
import { Segmented } from "@/components/ui/segmented";
import { type MessagesWith, useMessages } from "@/i18n";
import { variablesTexts } from "@/i18n/variables";
import { CleanUp } from "./clean-up";
import { countsOf, type IssueRow, issueRows, narrowedIssues, type Severity } from "./model";
import { issuesQuery } from "./queries";

const route = getRouteApi("/_app/admin/variables");
const LOOKS: Record<Severity, { tone: Tone; icon: typeof Info }> = {
  ERROR: { tone: "bad", icon: CircleAlert },
  WARNING: { tone: "warn", icon: TriangleAlert },
  INFO: { tone: "neutral", icon: Info },
};
const SEVERITIES = ["all", "ERROR", "WARNING", "INFO"] as const;

export function IssuesTab() {
  const issues = useQuery(issuesQuery);
  return (
    <Loaded query={issues} skeleton={<SkeletonRows />}>
      {(found) => <Issues validation={found} />}
    </Loaded>
  );
}

function Issues({ validation }: { validation: Validation }) {
  const m = useMessages(variablesTexts);
  const format = useFormat();
  const { q = "", severity = "all" } = route.useSearch();
  const navigate = route.useNavigate();
  const [cleaning, setCleaning] = useState(false);
  const rows = useMemo(() => issueRows(validation.issues), [validation]);
  const counts = countsOf(rows);
  const columns = useMemo(() => columnsOf(m), [m]);
  const clear = () => void navigate({ search: ({ q: _, severity: __, ...rest }) => rest });
  return (
    <>
      <div className="flex flex-wrap items-center gap-2">
        <SearchInput
          value={q}
          placeholder={m.variables.findIssue}
          className="w-64 max-sm:w-full"
          onChange={(wanted) =>
            void navigate({
              search: ({ q: _, ...rest }) => (wanted ? { ...rest, q: wanted } : rest),
              replace: true,
            })
          }
        />
        <Segmented
          label={m.variables.severity}
          value={severity}
          options={SEVERITIES.map((value) => ({
            value,
            label:
              value === "all"
                ? m.variables.severities.all
                : `${m.variables.severities[value]} ${format.number(counts[value])}`,
          }))}
          onChange={(wanted) =>
            void navigate({
              search: ({ severity: _, ...rest }) => (wanted === "all" ? rest : { ...rest, severity: wanted }),
            })
          }
        />
        <span className="flex-1" />
        <Button size="md" onClick={() => setCleaning(true)}>
          <Eraser aria-hidden />
          {m.variables.clean}
        </Button>
      </div>
      {rows.length === 0 ? (
        <Card>
          <EmptyState icon={<CircleCheck className="text-ok" aria-hidden />} title={m.variables.allWell}>
            {m.variables.allWellText}
          </EmptyState>
        </Card>
      ) : (
        <Card className="overflow-hidden">
          <DataTable
            label={m.variables.tabs.issues}
            columns={columns}
            rows={narrowedIssues(rows, severity, q)}
            rowId={({ id }) => id}
            empty={
              <EmptyState
                title={m.variables.noMatch}
                className="py-8"
                action={<Button onClick={clear}>{m.common.clearSearch}</Button>}
              />
            }
          />
        </Card>
      )}
      <CleanUp open={cleaning} onOpenChange={setCleaning} />
    </>
  );
}

function columnsOf(m: MessagesWith<typeof variablesTexts>): Column<IssueRow>[] {
  const { issueColumns: names } = m.variables;
  return [
    {
      id: "severity",
      header: names.severity,
      width: "84px",
      cell: ({ severity }) => {
        const { tone, icon: Icon } = LOOKS[severity];
        return (
          <Badge tone={tone} icon={<Icon aria-hidden />}>
            {m.variables.severityNames[severity]}
          </Badge>
        );
      },
    },
    {
      id: "issue",
      header: names.issue,
      width: "minmax(240px,1.6fr)",
      sortBy: ({ code }) => code,
      cell: ({ code, detail }) => <span title={detail}>{m.variables.codes[code]}</span>,
    },
    {
      id: "user",
      header: names.user,
      width: "minmax(120px,1fr)",
      sortBy: ({ username }) => username,
      cell: ({ userId, username }) =>
        userId ? (
          <a href={`/admin/users/${userId}`} data-name className="font-semibold hover:underline">
            {username}
          </a>
        ) : null,
    },
    {
      id: "server",
      header: names.server,
      width: "minmax(110px,1fr)",
      sortBy: ({ server }) => server,
      cell: ({ server }) => <span data-name>{server}</span>,
    },
    {
      id: "name",
      header: names.name,
      width: "minmax(150px,1.2fr)",
      sortBy: ({ name }) => name,
      cell: ({ name }) => (
        <span className="font-mono text-sm" title={name}>
          {name}
        </span>
      ),
    },
  ];
}
