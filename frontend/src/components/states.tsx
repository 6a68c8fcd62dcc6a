import { CircleAlert, Inbox } from "lucide-react";
import type { ReactNode } from "react";
import { asProblem, explain } from "@/api/problem";
import { Badge } from "@/components/ui/badge";
import { Button } from "@/components/ui/button";
import { CopyButton } from "@/components/ui/copy-button";
import { useMessages } from "@/i18n";
import { cn } from "@/lib/cn";

interface EmptyStateProps {
  icon?: ReactNode;
  title: ReactNode;
  /** What would be here. */
  children?: ReactNode;
  /** The one thing to do. */
  action?: ReactNode;
  className?: string;
}

export function EmptyState({ icon, title, children, action, className }: EmptyStateProps) {
  return (
    <div className={cn("flex flex-col items-center gap-2 px-6 py-12 text-center", className)}>
      <div className="text-ink-3 [&_svg]:size-6">{icon ?? <Inbox aria-hidden />}</div>
      <p className="font-semibold text-lg">{title}</p>
      {children ? <div className="max-w-md text-ink-2">{children}</div> : null}
      {action ? <div className="mt-2">{action}</div> : null}
    </div>
  );
}

interface ProblemPanelProps {
  error: unknown;
  onRetry?: () => void;
  className?: string;
}

/** What went wrong, what to do, and the id by which an administrator finds it. */
export function ProblemPanel({ error, onRetry, className }: ProblemPanelProps) {
  const m = useMessages();
  const problem = asProblem(error);
  return (
    <div
      role="alert"
      className={cn("flex items-start gap-2.5 rounded-md bg-bad-soft px-3 py-2.5 text-base", className)}
    >
      <CircleAlert className="mt-0.5 size-4 shrink-0 text-bad" aria-hidden />
      <div className="min-w-0 flex-1">
        <p className="font-semibold text-bad">{m.errors.title}</p>
        <p className="text-ink">{explain(problem, m)}</p>
        {problem.requestId ? (
          <p className="mt-0.5 flex items-center gap-1 text-ink-2 text-xs">
            {m.common.requestId} <code>{problem.requestId}</code>
            <CopyButton value={() => problem.requestId} className="size-5 [&_svg]:size-3" />
          </p>
        ) : null}
      </div>
      {onRetry ? <Button onClick={onRetry}>{m.common.retry}</Button> : null}
    </div>
  );
}

/** Said beside data that is kept on the screen although a newer answer did not come. */
export function StaleChip() {
  const m = useMessages();
  return (
    <span title={m.common.staleHint}>
      <Badge tone="warn">{m.common.stale}</Badge>
      <span className="sr-only">{m.common.staleHint}</span>
    </span>
  );
}

/** Rows that are not there yet, as high as they will be. */
export function SkeletonRows({ rows = 20, className }: { rows?: number; className?: string }) {
  const m = useMessages();
  return (
    <div role="status" aria-label={m.common.loading} className={className}>
      {Array.from({ length: rows }, (_, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they have nothing else
        <div key={row} className="flex h-row items-center gap-4 border-line border-b px-4">
          <div className="skeleton h-3 w-16" />
          <div className="skeleton h-3 w-24" />
          <div className="skeleton h-3" style={{ width: `${28 + ((row * 17) % 34)}%` }} />
        </div>
      ))}
    </div>
  );
}

/** Cards that are not there yet. */
export function SkeletonCards({ cards = 3, height = 150 }: { cards?: number; height?: number }) {
  const m = useMessages();
  return (
    <div role="status" aria-label={m.common.loading} className="flex flex-col gap-3">
      {Array.from({ length: cards }, (_, card) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they have nothing else
        <div key={card} className="rounded-lg border border-line bg-surface p-4" style={{ height }}>
          <div className="skeleton h-4 w-40" />
          <div className="skeleton mt-5 h-3 w-3/5" />
          <div className="skeleton mt-3 h-3 w-2/5" />
        </div>
      ))}
    </div>
  );
}

export interface QueryLike<T> {
  data: T | undefined;
  error: unknown;
  isPending: boolean;
  refetch: () => unknown;
}

interface LoadedProps<T> {
  query: QueryLike<T>;
  skeleton: ReactNode;
  children: (data: T) => ReactNode;
}

/** The three states of a question to the hub. Data that is there stays when a later answer fails, and says it is stale. */
export function Loaded<T>({ query, skeleton, children }: LoadedProps<T>) {
  if (query.data !== undefined) {
    return (
      <>
        {query.error ? (
          <div className="mb-2">
            <StaleChip />
          </div>
        ) : null}
        {children(query.data)}
      </>
    );
  }
  if (query.error) return <ProblemPanel error={query.error} onRetry={() => query.refetch()} />;
  return skeleton;
}
