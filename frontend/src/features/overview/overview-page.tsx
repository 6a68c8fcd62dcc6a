import { getRouteApi } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Page } from "@/components/page";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { overviewTexts } from "@/i18n/overview";
import { CallsCard } from "./calls-card";
import { FiguresGrid } from "./figures";
import { HealthStrip } from "./health-strip";
import { SPANS, type SpanName } from "./model";

const route = getRouteApi("/_app/admin/");

/** The hub at a glance. `events` is what was done lately that needs rights. */
export function OverviewPage({ events }: { events: ReactNode }) {
  const m = useMessages(overviewTexts);
  const { span = "24h" } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <Page
      title={m.overview.title}
      subtitle={m.overview.subtitle}
      end={
        <Segmented
          label={m.overview.span}
          value={span}
          onChange={(wanted) => void navigate({ search: wanted === "24h" ? {} : { span: wanted } })}
          options={(Object.keys(SPANS) as SpanName[]).map((value) => ({
            value,
            label: m.overview.spans[value],
          }))}
        />
      }
    >
      <div className="flex flex-col gap-3">
        <HealthStrip />
        <FiguresGrid span={span} />
        <CallsCard span={span} />
        {events}
      </div>
    </Page>
  );
}
