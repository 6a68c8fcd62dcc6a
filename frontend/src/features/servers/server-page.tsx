import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useRouter } from "@tanstack/react-router";
import { ChevronRight, FilePen, RotateCw, Unplug } from "lucide-react";
import { useMemo, useState } from "react";
import { explain } from "@/api/problem";
import type { ServerView } from "@/api/schema.gen";
import { serverQuery } from "@/api/servers";
import { useCommands } from "@/app/commands";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { Page } from "@/components/page";
import { Loaded, SkeletonCards } from "@/components/states";
import { Button, buttonLook } from "@/components/ui/button";
import { Confirm } from "@/components/ui/confirm";
import { Notice } from "@/components/ui/notice";
import { Switch } from "@/components/ui/switch";
import { TabPanel, Tabs } from "@/components/ui/tabs";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";
import { useServerCommands } from "./commands";
import { OverviewTab } from "./overview-tab";
import { RequestsTab } from "./requests-tab";
import { SettingsTab } from "./settings-tab";
import { StatusMark } from "./state";
import { ToolsTab } from "./tools-tab";

const route = getRouteApi("/_app/servers/$name/");
const TABS = ["overview", "tools", "settings", "requests"] as const;

/** One server: how it does, its tools, what it needs, what was asked of it. */
export function ServerPage() {
  const m = useMessages(serversTexts);
  const { name } = route.useParams();
  const { tab = "overview" } = route.useSearch();
  const navigate = route.useNavigate();
  const server = useQuery(serverQuery(name));
  const commands = useServerCommands(name);
  return (
    <Page
      title={
        <span className="flex items-center gap-1">
          <Link to="/servers" className="font-normal text-ink-3 hover:text-ink">
            {m.servers.title}
          </Link>
          <ChevronRight className="size-4 text-ink-3" aria-hidden />
          <span className="font-mono">{name}</span>
        </span>
      }
      subtitle={server.data ? <span data-name>{server.data.description}</span> : null}
      end={server.data ? <Actions server={server.data} commands={commands} /> : null}
    >
      <Loaded query={server} skeleton={<SkeletonCards cards={2} />}>
        {(view) => (
          <>
            <TestResult test={commands.test} />
            <Tabs
              label={name}
              value={tab}
              onChange={(wanted) => void navigate({ search: wanted === "overview" ? {} : { tab: wanted } })}
              tabs={TABS.map((value) => ({ value, label: <TabName tab={value} server={view} /> }))}
            >
              <TabPanel value="overview">
                <OverviewTab server={view} />
              </TabPanel>
              <TabPanel value="tools">
                <ToolsTab server={view} commands={commands} />
              </TabPanel>
              <TabPanel value="settings">
                <SettingsTab server={view} />
              </TabPanel>
              <TabPanel value="requests">
                <RequestsTab server={view} />
              </TabPanel>
            </Tabs>
          </>
        )}
      </Loaded>
    </Page>
  );
}

function TabName({ tab, server }: { tab: (typeof TABS)[number]; server: ServerView }) {
  const m = useMessages(serversTexts);
  const format = useFormat();
  const counts = { tools: server.toolsListed ? server.tools.length : null, settings: server.slots.length };
  const count = tab === "tools" || tab === "settings" ? counts[tab] : null;
  return (
    <>
      {m.servers.tabs[tab]}
      {count === null ? null : <span className="ml-1.5 text-ink-3">{format.number(count)}</span>}
    </>
  );
}

interface ActionsProps {
  server: ServerView;
  commands: ReturnType<typeof useServerCommands>;
}

function Actions({ server, commands: { toggle, reload, test } }: ActionsProps) {
  const m = useMessages(serversTexts);
  const me = useMe();
  const router = useRouter();
  const [asked, setAsked] = useState(false);
  const switchTo = (enabled: boolean) => (enabled ? toggle.mutate(true) : setAsked(true));
  const offered = useMemo(
    () => [
      { id: "server-test", name: m.servers.test, run: () => test.mutate() },
      ...(me.isAdmin ? [{ id: "server-reload", name: m.servers.reload, run: () => reload.mutate() }] : []),
    ],
    [m, me.isAdmin, test.mutate, reload.mutate],
  );
  useCommands(offered);
  return (
    <>
      <StatusMark status={server.status} />
      <Button
        busy={test.isPending}
        disabled={!server.enabled}
        title={server.enabled ? m.servers.testHint : m.servers.readiness.off}
        onClick={() => test.mutate()}
      >
        {test.isPending ? null : <Unplug aria-hidden />}
        {m.servers.test}
      </Button>
      {me.isAdmin ? (
        <>
          <Button busy={reload.isPending} title={m.servers.reloadHint} onClick={() => reload.mutate()}>
            {reload.isPending ? null : <RotateCw aria-hidden />}
            {m.servers.reload}
          </Button>
          {"/admin/config" in router.routesByPath ? (
            <a href={`/admin/config?server=${encodeURIComponent(server.name)}`} className={buttonLook()}>
              <FilePen aria-hidden />
              {m.servers.edit}
            </a>
          ) : null}
          <Switch
            label={m.servers.enabled}
            checked={server.enabled}
            disabled={toggle.isPending}
            onChange={switchTo}
          />
          <Confirm
            open={asked}
            onOpenChange={setAsked}
            title={m.servers.switchOff(server.name)}
            text={m.servers.switchOffText}
            action={m.servers.switchOffAction}
            busy={toggle.isPending}
            onConfirm={() => toggle.mutate(false, { onSettled: () => setAsked(false) })}
          />
        </>
      ) : null}
    </>
  );
}

/** What came of the last test, above the tabs: with whose values, and how far it came. */
function TestResult({ test }: { test: ReturnType<typeof useServerCommands>["test"] }) {
  const m = useMessages(serversTexts);
  const format = useFormat();
  const { data: result, error } = test;
  if (error) {
    return (
      <Notice tone="bad" announce className="mb-2">
        {explain(error, m)}
      </Notice>
    );
  }
  if (!result) return null;
  return (
    <Notice tone={result.ok ? "ok" : "bad"} announce className="mb-2">
      {result.ok ? (
        m.servers.testOk(format.duration(result.durationMs), format.number(result.toolCount ?? 0))
      ) : (
        <>
          {m.servers.testFailed[result.step]} <span data-name>{result.error}</span>
        </>
      )}
    </Notice>
  );
}
