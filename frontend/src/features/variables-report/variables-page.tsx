import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { useFormat } from "@/app/look";
import { Page } from "@/components/page";
import { TabPanel, Tabs } from "@/components/ui/tabs";
import { useMessages } from "@/i18n";
import { variablesTexts } from "@/i18n/variables";
import { HubTab } from "./hub-tab";
import { IssuesTab } from "./issues-tab";
import { issuesQuery } from "./queries";
import { ScheduleTab } from "./schedule-tab";
import { UsageTab } from "./usage-tab";

const route = getRouteApi("/_app/admin/variables");
export type VariablesTab = "usage" | "issues" | "hub" | "schedule";
const TABS: VariablesTab[] = ["usage", "issues", "hub", "schedule"];

/** Everybody's values without the values: who has entered what, what is wrong, and what the hub does about it. */
export function VariablesPage() {
  const m = useMessages(variablesTexts);
  const format = useFormat();
  const { tab = "usage" } = route.useSearch();
  const navigate = route.useNavigate();
  const { data: validation } = useQuery(issuesQuery);
  const wrong = validation?.issues.filter(({ severity }) => severity !== "INFO").length ?? 0;
  return (
    <Page title={m.variables.title} subtitle={m.variables.subtitle}>
      <Tabs
        label={m.variables.title}
        value={tab}
        // What narrowed one list says nothing about another.
        onChange={(wanted) => void navigate({ search: wanted === "usage" ? {} : { tab: wanted } })}
        tabs={TABS.map((value) => ({
          value,
          label:
            value === "issues" && wrong > 0
              ? `${m.variables.tabs.issues} ${format.number(wrong)}`
              : m.variables.tabs[value],
        }))}
        className="flex min-h-0 flex-1 flex-col"
      >
        <TabPanel value={tab} className="flex min-h-0 flex-1 flex-col gap-3 pt-3">
          {tab === "usage" ? <UsageTab /> : null}
          {tab === "issues" ? <IssuesTab /> : null}
          {tab === "hub" ? <HubTab /> : null}
          {tab === "schedule" ? <ScheduleTab /> : null}
        </TabPanel>
      </Tabs>
    </Page>
  );
}
