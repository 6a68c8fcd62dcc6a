import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Histogram } from "@/components/plots/histogram";
import { EmptyState, Loaded } from "@/components/states";
import { Card, CardHead } from "@/components/ui/card";
import { useMessages } from "@/i18n";
import { overviewTexts } from "@/i18n/overview";
import { type Bin, SPANS, type SpanName } from "./model";
import { callsQuery } from "./queries";

const HEIGHT = 132; // pixels

/** Calls over time, by how they ended. A bin leads to its requests. */
export function CallsCard({ span }: { span: SpanName }) {
  const m = useMessages(overviewTexts);
  const calls = useQuery(callsQuery(span));
  const kinds = [
    { id: "ok", label: m.overview.ended.ok, color: "var(--cat-group)" },
    { id: "cancelled", label: m.overview.ended.cancelled, color: "var(--line-strong)" },
    { id: "denied", label: m.overview.ended.denied, color: "var(--warn)" },
    { id: "toolErrors", label: m.overview.ended.toolErrors, color: "var(--cat-secret)" },
    { id: "errors", label: m.overview.ended.errors, color: "var(--bad)" },
  ];
  return (
    <Card className="px-3.5 pb-3">
      <CardHead
        title={m.overview.callsOverTime}
        className="px-0"
        end={
          <ul className="flex flex-wrap gap-x-3 text-2xs text-ink-3">
            {kinds.map(({ id, label, color }) => (
              <li key={id} className="flex items-center gap-1">
                <span className="size-2 rounded-sm" style={{ background: color }} aria-hidden />
                {label}
              </li>
            ))}
          </ul>
        }
      />
      <Loaded query={calls} skeleton={<div className="skeleton" style={{ height: HEIGHT + 18 }} />}>
        {({ bins, figures }) =>
          (figures?.count ?? 0) === 0 ? (
            <EmptyState title={m.overview.noCalls} className="py-8">
              {m.overview.noCallsText}
            </EmptyState>
          ) : (
            <Plot bins={bins} step={SPANS[span].step} kinds={kinds} />
          )
        }
      </Loaded>
    </Card>
  );
}

interface PlotProps {
  bins: Bin[];
  step: number;
  kinds: { id: string; label: string; color: string }[];
}

function Plot({ bins, step, kinds }: PlotProps) {
  const m = useMessages(overviewTexts);
  const navigate = useNavigate();
  return (
    <Histogram
      label={m.overview.callsOverTime}
      series={kinds}
      bins={bins}
      step={step * 1000}
      height={HEIGHT}
      onPick={({ at }) =>
        void navigate({
          to: "/admin/requests",
          search: { from: new Date(at).toISOString(), to: new Date(at + step * 1000).toISOString() },
        })
      }
    />
  );
}
