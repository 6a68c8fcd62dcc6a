import { getRouteApi } from "@tanstack/react-router";
import { Pause, Radio, ScrollText, WrapText } from "lucide-react";
import { useMemo } from "react";
import { Page } from "@/components/page";
import { QueryBar } from "@/components/query-bar";
import { EmptyState, ProblemPanel, SkeletonRows } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { logsTexts } from "@/i18n/logs";
import { parseQuery, withTerm, writeQuery } from "@/lib/query-language";
import { useShortcut } from "@/lib/shortcuts";
import { LinePanel } from "./line-panel";
import { LinesList } from "./lines-list";
import { filtersOf, KEYS, type Line } from "./model";
import { useLines } from "./use-lines";

const route = getRouteApi("/_app/admin/logs");
const QUICK = ["", "warning", "error"] as const;

/** What the hub says of itself, as it says it. */
export function LogsPage() {
  const m = useMessages(logsTexts);
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const q = search.q ?? "";
  const { filters, unused } = useMemo(() => filtersOf(q), [q]);
  const live = search.live !== "off";
  const { history, lines, state } = useLines(filters, live);
  const line = lines.find(({ id }) => id === search.e);
  const change = (wanted: Partial<typeof search>, replace = false) =>
    void navigate({
      search: (now) => Object.fromEntries(Object.entries({ ...now, ...wanted }).filter(([, value]) => value)),
      replace,
      resetScroll: false,
    });
  const open = ({ requestId }: Line) => {
    if (requestId) void navigate({ to: "/admin/requests/$requestId", params: { requestId } });
  };
  const toggle = () => change({ live: live ? "off" : undefined }, true);
  useShortcut("l", toggle);
  useShortcut("Escape", () => change({ e: "" }, true), line !== undefined);
  const quick = filters.level === "warning" || filters.level === "error" ? filters.level : "";
  return (
    <Page
      title={m.logs.title}
      subtitle={m.logs.subtitle}
      className="min-h-0 px-0 pb-0"
      end={
        <>
          {state === "reconnecting" ? <Badge tone="warn">{m.common.reconnecting}</Badge> : null}
          <Button
            size="md"
            tone={live ? "on" : "plain"}
            aria-pressed={live}
            title={`${m.logs.toggle} (L)`}
            onClick={toggle}
          >
            {live ? <Radio aria-hidden /> : <Pause aria-hidden />}
            {live ? m.common.live : m.common.paused}
          </Button>
          <Button
            size="md"
            tone={search.wrap ? "on" : "plain"}
            aria-pressed={search.wrap === "1"}
            onClick={() => change({ wrap: search.wrap ? undefined : "1" }, true)}
          >
            <WrapText aria-hidden />
            {m.logs.wrap}
          </Button>
        </>
      }
      tools={
        <>
          <QueryBar
            value={q}
            onApply={(wanted) => change({ q: wanted, e: "" })}
            label={m.logs.filter}
            placeholder="level:warning server:jira"
            keys={KEYS.map((name) => ({ name, hint: m.logs.keyHints[name] }))}
            keysLabel={m.logs.keys}
            removeLabel={m.logs.removeTerm}
            unused={unused}
            unusedText={m.logs.unused}
          />
          <Segmented
            label={m.logs.level}
            value={quick}
            onChange={(level) => change({ q: withLevel(q, level) })}
            options={QUICK.map((value) => ({ value, label: m.logs.quick[value || "all"] }))}
          />
        </>
      }
    >
      <div className="flex min-h-0 flex-1 flex-col border-line border-t bg-surface lg:flex-row">
        {history.error && lines.length === 0 ? (
          <ProblemPanel
            error={history.error}
            onRetry={() => void history.refetch()}
            className="m-4 h-fit flex-1"
          />
        ) : history.isPending ? (
          <SkeletonRows className="flex-1" />
        ) : lines.length === 0 ? (
          <EmptyState icon={<ScrollText aria-hidden />} title={m.logs.empty} className="flex-1">
            {m.logs.emptyText}
          </EmptyState>
        ) : (
          <LinesList
            lines={lines}
            wrap={search.wrap === "1"}
            selected={line?.id ?? ""}
            onSelect={(wanted) => change({ e: wanted?.id ?? "" }, true)}
            onOpen={open}
            top={
              history.hasNextPage ? (
                <Button
                  tone="ghost"
                  className="m-1 self-center"
                  busy={history.isFetchingNextPage}
                  onClick={() => void history.fetchNextPage()}
                >
                  {m.logs.older}
                </Button>
              ) : null
            }
          />
        )}
        {line ? (
          <LinePanel
            line={line}
            onClose={() => change({ e: "" }, true)}
            onOnly={(key, value) => change({ q: withTerm(q, key, value) })}
          />
        ) : null}
      </div>
    </Page>
  );
}

function withLevel(q: string, level: string): string {
  return level ? withTerm(q, "level", level) : writeQuery(parseQuery(q).filter(({ key }) => key !== "level"));
}
