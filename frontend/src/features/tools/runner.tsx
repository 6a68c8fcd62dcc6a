import { getRouteApi } from "@tanstack/react-router";
import { CircleStop, Play, TriangleAlert } from "lucide-react";
import { useMemo, useRef, useState } from "react";
import type { ServerView, ToolView } from "@/api/schema.gen";
import { useMe } from "@/app/session";
import { Kbd } from "@/components/kbd";
import { Button } from "@/components/ui/button";
import { Card, CardHead } from "@/components/ui/card";
import { CopyButton } from "@/components/ui/copy-button";
import { Textarea } from "@/components/ui/input";
import { Notice } from "@/components/ui/notice";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { toolsTexts } from "@/i18n/tools";
import { useShortcut } from "@/lib/shortcuts";
import { check } from "./check";
import { useRun } from "./commands";
import { keepArguments, keptArguments } from "./kept";
import { type Arguments, asCurl, asJsonRpc, parsedArguments, pretty } from "./model";
import { Outcome, Running } from "./outcome";
import { isObject, placeOf, startOf } from "./schema";
import { SchemaForm } from "./schema-form";

const route = getRouteApi("/_app/servers/$name/tools/$tool");

/** A tool's arguments as a form and as JSON, the call, and what came of it. */
export function Runner({ server, tool }: { server: ServerView; tool: ToolView }) {
  const m = useMessages(toolsTexts);
  const me = useMe();
  const { input = "form" } = route.useSearch();
  const navigate = route.useNavigate();
  const root = tool.inputSchema;
  const [typed, setTyped] = useState<Arguments>(
    () => keptArguments(me.id, server.name, tool.name) ?? begin(root),
  );
  const [text, setText] = useState<string | null>(null); // the JSON as it is typed, while it says something else
  const [asked, setAsked] = useState(false); // the first of two presses was made
  const run = useRun(server.name, tool.name);
  const stop = useRef<AbortController>(null);

  const issues = useMemo(() => check(typed, root, root), [typed, root]);
  const [tried, setTried] = useState(false); // nothing is called wrong before somebody wanted to run it
  const broken = text !== null && parsedArguments(text) === null;
  const destructive = tool.annotations?.destructiveHint === true;
  const blocked = !tool.enabled || tool.state === "quarantined" || !server.enabled || broken;

  const change = (value: Arguments) => {
    setTyped(value);
    setText(null);
    setAsked(false);
  };
  const start = () => {
    if (blocked || run.isPending) return;
    if ((destructive || issues.length > 0) && !asked) {
      setTried(true);
      setAsked(true);
      return;
    }
    setAsked(false);
    keepArguments(me.id, server.name, tool.name, typed, root);
    stop.current = new AbortController();
    run.mutate({ typed, signal: stop.current.signal });
  };
  useShortcut("mod+Enter", start);

  const call = { tool: tool.displayName ?? tool.name, arguments: typed, root };
  const address = `${window.location.origin}/mcp/${server.slug}`;
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-3 xl:grid-cols-2">
      <Card aria-label={m.tools.arguments}>
        <CardHead
          title={m.tools.arguments}
          end={
            <Segmented
              label={m.tools.input}
              value={input}
              onChange={(wanted) =>
                void navigate({
                  search: wanted === "form" ? {} : { input: wanted },
                  replace: true,
                  resetScroll: false,
                })
              }
              options={[
                { value: "form", label: m.tools.form },
                { value: "json", label: "JSON" },
              ]}
            />
          }
        />
        <div className="border-line border-t px-3.5 py-3">
          {input === "json" ? (
            <Textarea
              aria-label={m.tools.argumentsJson}
              aria-invalid={broken || undefined}
              spellCheck={false}
              rows={12}
              className="font-mono text-xs leading-relaxed"
              value={text ?? pretty(typed)}
              onChange={(event) => {
                setText(event.target.value);
                setAsked(false);
                const value = parsedArguments(event.target.value);
                if (value) setTyped(value);
              }}
            />
          ) : hasNone(root) ? (
            <p className="text-ink-3">{m.tools.noArguments}</p>
          ) : (
            <SchemaForm root={root} issues={tried ? issues : []} value={typed} onChange={change} />
          )}
          {broken ? (
            <p role="alert" className="mt-1 text-bad text-xs">
              {m.tools.brokenJson}
            </p>
          ) : null}
          {input === "json" && tried && issues.length > 0 ? (
            <ul className="mt-1 text-bad text-xs">
              {issues.map(({ path, code, want }) => (
                <li key={`${path} ${code}`}>
                  <code>{path || "/"}</code> {m.tools.issues[code](want)}
                </li>
              ))}
            </ul>
          ) : null}
        </div>
        {asked ? (
          <Notice tone="warn" announce className="mx-3.5 mb-2.5">
            {destructive ? m.tools.destructiveAsk : m.tools.issuesAsk}
          </Notice>
        ) : null}
        <div className="flex flex-wrap items-center gap-2 border-line border-t px-3.5 py-2.5">
          <Button
            size="md"
            tone={asked ? "danger" : "primary"}
            busy={run.isPending}
            disabled={blocked}
            title={broken ? m.tools.brokenJson : undefined}
            onClick={start}
          >
            {run.isPending ? null : asked ? <TriangleAlert aria-hidden /> : <Play aria-hidden />}
            {asked ? (destructive ? m.tools.runReally : m.tools.runAnyway) : m.tools.run}
            {asked ? null : (
              <Kbd
                keys="mod+Enter"
                className="border-transparent bg-transparent text-accent-ink max-sm:hidden"
              />
            )}
          </Button>
          {run.isPending ? (
            <Button size="md" onClick={() => stop.current?.abort()}>
              <CircleStop aria-hidden />
              {m.tools.stop}
            </Button>
          ) : null}
          <Button size="md" tone="ghost" disabled={run.isPending} onClick={() => change(begin(root))}>
            {m.tools.startOver}
          </Button>
          <span className="ml-auto flex items-center gap-1 text-ink-3 text-xs">
            <CopyText name="JSON-RPC" label={m.tools.copyRpc} text={() => asJsonRpc(call)} />
            <CopyText name="curl" label={m.tools.copyCurl} text={() => asCurl(address, call)} />
          </span>
        </div>
      </Card>
      <div className="xl:sticky xl:top-3">
        {run.isPending ? (
          <Running />
        ) : (
          <Outcome answer={run.data} error={run.error} schema={tool.outputSchema} settings={server.slug} />
        )}
      </div>
    </div>
  );
}

function CopyText({ name, label, text }: { name: string; label: string; text: () => string }) {
  return (
    <span className="inline-flex items-center font-mono">
      {name}
      <CopyButton value={text} label={label} className="size-6 [&_svg]:size-3.5" />
    </span>
  );
}

function begin(root: ToolView["inputSchema"]): Arguments {
  const start = startOf(root, root);
  return isObject(start) ? start : {};
}

/** Does the tool take no arguments at all? */
function hasNone(root: ToolView["inputSchema"]): boolean {
  const { shape, schema } = placeOf(root, root);
  return shape.kind === "json" && (schema.additionalProperties === false || isEmpty(schema.properties));
}

const isEmpty = (properties: unknown) => isObject(properties) && Object.keys(properties).length === 0;
