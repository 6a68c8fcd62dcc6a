import { Link, useRouter } from "@tanstack/react-router";
import { Loader2, Play } from "lucide-react";
import { useEffect, useState } from "react";
import { asProblem } from "@/api/problem";
import type { Tried } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMe } from "@/app/session";
import { JsonView } from "@/components/json-view";
import { EmptyState, ProblemPanel } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Card, CardHead } from "@/components/ui/card";
import { CopyButton } from "@/components/ui/copy-button";
import { Notice } from "@/components/ui/notice";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { serversTexts } from "@/i18n/servers";
import { toolsTexts } from "@/i18n/tools";
import { Blocks } from "./blocks";
import { check } from "./check";
import { pretty } from "./model";
import { resultOf } from "./result";
import { isObject, type Schema } from "./schema";

interface OutcomeProps {
  answer: Tried | undefined;
  error: unknown;
  /** Of the structured part of the answer. */
  schema: Schema | undefined;
  /** Slug of the server, where values are entered. */
  settings: string;
}

/** What came of the last call. */
export function Outcome({ answer, error, schema, settings }: OutcomeProps) {
  const m = useMessages(serversTexts, toolsTexts);
  if (error) {
    if (error instanceof DOMException && error.name === "AbortError") {
      return <Notice announce>{m.tools.stopped}</Notice>;
    }
    return (
      <div>
        <ProblemPanel error={error} />
        {asProblem(error).code === "variables_missing" ? (
          <Link to="/settings" hash={settings} className="mt-2 inline-block text-accent underline">
            {m.servers.enterValues}
          </Link>
        ) : null}
      </div>
    );
  }
  if (!answer) {
    return (
      <Card>
        <EmptyState icon={<Play aria-hidden />} title={m.tools.notRun}>
          {m.tools.notRunText}
        </EmptyState>
      </Card>
    );
  }
  return <Answer key={answer.requestId} answer={answer} schema={schema} />;
}

type View = "content" | "structured" | "raw";

function Answer({ answer, schema }: { answer: Tried; schema: Schema | undefined }) {
  const m = useMessages(toolsTexts);
  const format = useFormat();
  const { blocks, structured, failed } = resultOf(answer.result);
  const hasStructure = structured !== undefined;
  const [view, setView] = useState<View>(
    blocks.length === 0 ? (hasStructure ? "structured" : "raw") : "content",
  );
  const refused = isObject(answer.error) ? answer.error : null;
  const views: View[] = ["content", ...(hasStructure ? (["structured"] as const) : []), "raw"];
  const misfits = schema && hasStructure ? check(structured, schema, schema) : [];
  return (
    <Card aria-label={m.tools.result}>
      <CardHead
        title={m.tools.result}
        detail={format.duration(answer.durationMs)}
        end={
          <>
            {failed || refused ? (
              <Badge tone="bad">{m.tools.failed}</Badge>
            ) : (
              <Badge tone="ok">{m.tools.succeeded}</Badge>
            )}
            {refused ? null : (
              <Segmented
                label={m.tools.result}
                value={view}
                onChange={setView}
                options={views.map((value) => ({ value, label: m.tools.views[value] }))}
              />
            )}
            <CopyButton value={() => pretty(answer.result ?? answer.error)} label={m.tools.copyResult} />
          </>
        }
      />
      {misfits.length > 0 ? (
        <Notice tone="warn" className="mx-3.5 mb-2.5">
          {m.tools.misfit}
          <ul>
            {misfits.slice(0, 5).map(({ path, code, want }) => (
              <li key={`${path} ${code}`}>
                <code>{path || "/"}</code> {m.tools.issues[code](want)}
              </li>
            ))}
          </ul>
        </Notice>
      ) : null}
      <div role="status" aria-label={m.tools.result} className="border-line border-t">
        {refused ? (
          <div className="flex flex-col gap-2 px-3.5 py-3">
            <Notice tone="bad">
              <span data-name>{String(refused.message ?? "")}</span> <code>{String(refused.code ?? "")}</code>
            </Notice>
            {refused.data === undefined ? null : <JsonView value={refused.data} label={m.tools.views.raw} />}
          </div>
        ) : view === "content" ? (
          <Blocks blocks={blocks} failed={failed} />
        ) : view === "structured" ? (
          <JsonView value={structured} label={m.tools.views.structured} className="max-h-[60vh]" />
        ) : (
          <JsonView value={answer.result} label={m.tools.views.raw} open={4} className="max-h-[60vh]" />
        )}
      </div>
      <RequestId id={answer.requestId} />
    </Card>
  );
}

/** Where the call stands in the history. */
function RequestId({ id }: { id: string }) {
  const m = useMessages();
  const me = useMe();
  const router = useRouter();
  const detail = (me.isAdmin || me.isAuditor) && "/admin/requests/$requestId" in router.routesByPath;
  const own = "/activity" in router.routesByPath;
  const href = detail ? `/admin/requests/${encodeURIComponent(id)}` : own ? "/activity" : null;
  return (
    <p className="flex items-center gap-1 border-line border-t px-3.5 py-1.5 text-ink-3 text-xs">
      <span className="whitespace-nowrap">{m.common.requestId}</span>
      {href ? (
        <a href={href} className="truncate font-mono text-ink-2 underline">
          {id}
        </a>
      ) : (
        <code className="truncate text-ink-2">{id}</code>
      )}
      <CopyButton
        value={() => id}
        label={`${m.common.copy}: ${m.common.requestId}`}
        className="size-5 [&_svg]:size-3"
      />
    </p>
  );
}

const TICK = 200; // milliseconds

/** While a call is under way: for how long. */
export function Running() {
  const m = useMessages(toolsTexts);
  const format = useFormat();
  const [passed, setPassed] = useState(0);
  useEffect(() => {
    const began = performance.now();
    const timer = setInterval(() => setPassed(performance.now() - began), TICK);
    return () => clearInterval(timer);
  }, []);
  return (
    <Card>
      <p role="status" className="flex items-center gap-2 px-3.5 py-3 text-ink-2">
        <Loader2 className="size-4 animate-spin" aria-hidden />
        {m.tools.running}
        <span aria-hidden className="tabular-nums">
          {format.duration(passed)}
        </span>
      </p>
    </Card>
  );
}
