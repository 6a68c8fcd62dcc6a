import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { healthQuery } from "@/api/health";
import { HealthMark } from "@/components/health-mark";
import { ProblemPanel } from "@/components/states";
import { useMessages } from "@/i18n";
import { healthTexts } from "@/i18n/health";
import { worstFirst } from "./model";

/** Each part of the hub, what is not well first. */
export function HealthStrip() {
  const m = useMessages(healthTexts);
  const health = useQuery(healthQuery);
  if (health.error && !health.data)
    return <ProblemPanel error={health.error} onRetry={() => void health.refetch()} />;
  const checks = worstFirst(health.data?.checks ?? []);
  return (
    <section
      aria-label={m.health.title}
      className="flex min-h-10 flex-wrap items-center gap-x-4 gap-y-1 rounded-lg border border-line bg-surface px-3.5 py-1.5"
    >
      <Link to="/admin/health" className="font-semibold hover:underline">
        {m.health.title}
      </Link>
      {checks.map(({ name, status }) => (
        <span key={name} className="inline-flex items-center gap-1 text-ink-2 text-sm">
          <HealthMark status={status} />
          {m.health.names[name as keyof typeof m.health.names] ?? name}
        </span>
      ))}
    </section>
  );
}
