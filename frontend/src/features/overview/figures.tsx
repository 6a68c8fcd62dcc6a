import { useQuery } from "@tanstack/react-query";
import { Link, type LinkProps } from "@tanstack/react-router";
import { useFormat } from "@/app/look";
import { useMessages } from "@/i18n";
import { overviewTexts } from "@/i18n/overview";
import { cn } from "@/lib/cn";
import type { SpanName } from "./model";
import { callsQuery, totalsQuery, waitingToolsQuery, waitingUsersQuery } from "./queries";

interface Cell {
  id: string;
  name: string;
  value: string | undefined;
  detail?: string;
  tone?: "bad" | "warn";
  link: LinkProps;
}

const NOT_KNOWN = "–";

/** The hub in a few figures; each leads to the page behind it. */
export function FiguresGrid({ span }: { span: SpanName }) {
  const m = useMessages(overviewTexts);
  const format = useFormat();
  const calls = useQuery(callsQuery(span)).data;
  const totals = useQuery(totalsQuery).data;
  const users = useQuery(waitingUsersQuery).data;
  const tools = useQuery(waitingToolsQuery).data;
  const number = (value: number | undefined) => (value === undefined ? undefined : format.number(value));
  const figures = calls?.figures;
  const p95 = figures?.p95Ms;
  const failing = totals?.serversByStatus.error ?? 0;
  const cells: Cell[] = [
    {
      id: "sessions",
      name: m.overview.sessions,
      value: number(totals?.sessions),
      link: { to: "/admin/sessions" },
    },
    {
      id: "in-flight",
      name: m.overview.inFlight,
      value: number(calls?.pending),
      link: { to: "/admin/requests", search: { q: "status:Pending", span } },
    },
    {
      id: "calls",
      name: m.overview.calls,
      value: calls && format.number(figures?.count ?? 0),
      link: { to: "/admin/requests", search: { span } },
    },
    {
      id: "errors",
      name: m.overview.errorRate,
      value: calls && format.percent(figures?.errorRate ?? 0),
      detail: [
        figures?.errors ? m.overview.errors(format.number(figures.errors)) : "",
        figures?.toolErrors ? m.overview.toolErrors(format.number(figures.toolErrors)) : "",
      ]
        .filter(Boolean)
        .join(" · "),
      tone: figures?.errors ? "bad" : undefined,
      link: { to: "/admin/requests", search: { span, view: "server" } },
    },
    {
      id: "p95",
      name: m.overview.p95,
      value: calls && (p95 == null ? NOT_KNOWN : format.duration(p95)),
      link: { to: "/admin/requests", search: { span, view: "tool" } },
    },
    {
      id: "servers",
      name: m.overview.servers,
      value: number(totals?.servers),
      detail: failing ? m.overview.failing(format.number(failing)) : "",
      tone: failing ? "warn" : undefined,
      link: { to: "/servers", search: failing ? { status: "error" } : {} },
    },
    {
      id: "users",
      name: m.overview.usersWaiting,
      value: number(users),
      tone: users ? "warn" : undefined,
      link: { to: "/admin/users", search: { view: "pending" } },
    },
    {
      id: "tools",
      name: m.overview.toolsWaiting,
      value: tools && `${format.number(tools.count)}${tools.more ? "+" : ""}`,
      tone: tools?.count ? "warn" : undefined,
      link: { to: "/admin/tool-changes" },
    },
  ];
  return (
    <ul className="grid grid-cols-2 sm:grid-cols-4 2xl:grid-cols-8 gap-px overflow-hidden rounded-lg border border-line bg-line">
      {cells.map(({ id, name, value, detail, tone, link }) => (
        <li key={id} className="bg-surface">
          <Link
            {...link}
            data-figure={id}
            className="block h-full px-3.5 py-2.5 transition-colors duration-150 hover:bg-raised focus-visible:-outline-offset-2"
          >
            <span className="block text-2xs text-ink-3">{name}</span>
            <span className="flex items-baseline gap-2 tabular-nums">
              <span
                className={cn(
                  "whitespace-nowrap font-semibold text-2xl",
                  tone === "bad" && "text-bad",
                  tone === "warn" && "text-warn-text",
                )}
              >
                {value ?? NOT_KNOWN}
              </span>
              {detail ? <span className="text-ink-3 text-xs">{detail}</span> : null}
            </span>
          </Link>
        </li>
      ))}
    </ul>
  );
}
