import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ChevronRight, Wrench } from "lucide-react";
import { useEffect } from "react";
import { explain } from "@/api/problem";
import type { ServerView, ToolView } from "@/api/schema.gen";
import { serverQuery, useListTools } from "@/api/servers";
import { mayOpen, useMe } from "@/app/session";
import { JsonView } from "@/components/json-view";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonCards } from "@/components/states";
import { Time } from "@/components/time";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Card, CardHead } from "@/components/ui/card";
import { Notice } from "@/components/ui/notice";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";
import { toolsTexts } from "@/i18n/tools";
import { Runner } from "./runner";
import { ToolActions } from "./tool-actions";

const route = getRouteApi("/_app/servers/$name/tools/$tool");

/** One tool: tried with a form made of its schema, and looked at. */
export function ToolPage() {
  const m = useMessages(serversTexts, toolsTexts);
  const me = useMe();
  const { name, tool: wanted } = route.useParams();
  const server = useQuery(serverQuery(name));
  const tool = server.data?.tools.find((each) => each.name === wanted);
  return (
    <Page
      title={
        <span className="flex flex-wrap items-center gap-1">
          <Link to="/servers" className="font-normal text-ink-3 hover:text-ink max-sm:hidden">
            {m.servers.title}
          </Link>
          <ChevronRight className="size-4 text-ink-3 max-sm:hidden" aria-hidden />
          <Link
            to="/servers/$name"
            params={{ name }}
            search={{ tab: "tools" }}
            className="font-mono font-normal text-ink-3 hover:text-ink"
          >
            {name}
          </Link>
          <ChevronRight className="size-4 text-ink-3" aria-hidden />
          <span className="font-mono">{wanted}</span>
        </span>
      }
      end={
        tool ? (
          <>
            {mayOpen(me, "auditor") ? (
              <Link
                to="/admin/who-could"
                search={{ server: name, tool: wanted }}
                className="text-accent text-sm underline"
              >
                {m.tools.whoCould}
              </Link>
            ) : null}
            {me.isAdmin ? <ToolActions tool={tool} /> : null}
          </>
        ) : null
      }
    >
      <Loaded query={server} skeleton={<SkeletonCards cards={2} />}>
        {(view) =>
          tool ? <Tool key={`${name}/${wanted}`} server={view} tool={tool} /> : <NoTool server={view} />
        }
      </Loaded>
    </Page>
  );
}

function Tool({ server, tool }: { server: ServerView; tool: ToolView }) {
  const m = useMessages(toolsTexts);
  return (
    <div className="flex flex-col gap-3">
      {tool.description ? (
        <p data-name className="max-w-[900px] whitespace-pre-line text-ink-2">
          {tool.description}
        </p>
      ) : null}
      {tool.enabled ? null : <Notice tone="warn">{m.tools.isOff}</Notice>}
      {tool.state === "quarantined" ? (
        <Notice
          tone="warn"
          end={
            <Link to="/admin/tool-changes" search={{ server: server.name }} className="underline">
              {m.tools.lookAtChange}
            </Link>
          }
        >
          {m.tools.waits}
        </Notice>
      ) : null}
      <Runner server={server} tool={tool} />
      <About tool={tool} />
    </div>
  );
}

/** Names, history and schemas. */
function About({ tool }: { tool: ToolView }) {
  const m = useMessages(toolsTexts);
  const hints = Object.entries(tool.annotations ?? {}).filter(([, value]) => typeof value === "boolean");
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-3 xl:grid-cols-2">
      <Card aria-label={m.tools.about}>
        <CardHead title={m.tools.about} />
        <dl className="grid grid-cols-[minmax(0,160px)_minmax(0,1fr)] gap-x-3 gap-y-1.5 border-line border-t px-3.5 py-2.5">
          <dt className="text-ink-3">{m.tools.ownName}</dt>
          <dd className="min-w-0 break-words">
            <code>{tool.name}</code>
          </dd>
          <dt className="text-ink-3">{m.tools.exposedName}</dt>
          <dd className="min-w-0 break-words">
            <code>{tool.exposedName}</code>
          </dd>
          <dt className="text-ink-3">{m.tools.displayName}</dt>
          <dd className="min-w-0 break-words">
            <code>{tool.displayName ?? tool.name}</code>
          </dd>
          <dt className="text-ink-3">{m.tools.firstSeen}</dt>
          <dd>{tool.firstSeen ? <Time at={tool.firstSeen} /> : "–"}</dd>
          <dt className="text-ink-3">{m.tools.changedAt}</dt>
          <dd>{tool.changedAt ? <Time at={tool.changedAt} /> : "–"}</dd>
          <dt className="text-ink-3">{m.tools.hints}</dt>
          <dd className="flex flex-wrap gap-1">
            {hints.length === 0 ? m.common.none : null}
            {hints.map(([name, value]) => (
              <Badge key={name} tone={name === "destructiveHint" && value ? "bad" : "neutral"}>
                {name}: {String(value)}
              </Badge>
            ))}
          </dd>
          {tool.originalDescription === undefined ? null : (
            <>
              <dt className="text-ink-3">{m.tools.original}</dt>
              <dd data-name className="min-w-0 whitespace-pre-line break-words text-ink-2">
                {tool.originalDescription}
              </dd>
            </>
          )}
        </dl>
      </Card>
      <Card>
        <CardHead title={m.tools.inputSchema} />
        <JsonView
          value={tool.inputSchema}
          label={m.tools.inputSchema}
          className="max-h-96 border-line border-t"
        />
        {tool.outputSchema ? (
          <>
            <CardHead title={m.tools.outputSchema} className="border-line border-t" />
            <JsonView
              value={tool.outputSchema}
              label={m.tools.outputSchema}
              className="max-h-96 border-line border-t"
            />
          </>
        ) : null}
      </Card>
    </div>
  );
}

/** The tool is not on the list the hub holds. It is asked for once, where there is no list. */
function NoTool({ server }: { server: ServerView }) {
  const m = useMessages(serversTexts, toolsTexts);
  const { mutate: ask, isIdle, isPending, error, data } = useListTools(server.name);
  const unknown = !server.toolsListed && server.visible && server.enabled;
  useEffect(() => {
    if (unknown && isIdle) ask();
  }, [unknown, isIdle, ask]);
  if (isPending || (unknown && isIdle)) return <SkeletonCards cards={2} />;
  const closed = whyClosed(server);
  if (closed !== null) {
    return (
      <EmptyState
        icon={<Wrench aria-hidden />}
        title={m.servers.toolsUnknown[closed]}
        action={
          closed === "missing" ? (
            <Link to="/settings" hash={server.slug} className="text-accent underline">
              {m.servers.enterValues}
            </Link>
          ) : closed === "hidden" ? (
            <Link to="/user-groups" className="text-accent underline">
              {m.shell.pageNames.groups}
            </Link>
          ) : null
        }
      />
    );
  }
  const failed = error ? explain(error, m) : data?.error;
  return (
    <EmptyState
      icon={<Wrench aria-hidden />}
      title={m.tools.notFound}
      action={<Button onClick={() => ask()}>{m.common.retry}</Button>}
    >
      {failed ? <span data-name>{failed}</span> : m.tools.notFoundText}
    </EmptyState>
  );
}

/** Why the server's tools cannot be known; null when it was asked, or can be. */
function whyClosed({
  toolsListed,
  enabled,
  visible,
  slots,
}: ServerView): "off" | "missing" | "hidden" | null {
  if (toolsListed) return null;
  if (!enabled) return "off";
  if (slots.some(({ required, configured }) => required && !configured)) return "missing";
  return visible ? null : "hidden";
}
