import { getRouteApi } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { Page } from "@/components/page";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { activityTexts } from "@/i18n/activity";

const route = getRouteApi("/_app/activity");

interface ActivityPageProps {
  requests: ReactNode;
  events: ReactNode;
}

/** What the reader's clients asked for, and what was done by and to the reader. */
export function ActivityPage({ requests, events }: ActivityPageProps) {
  const m = useMessages(activityTexts);
  const { tab = "requests" } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <Page
      title={m.activity.title}
      subtitle={m.activity.subtitle}
      end={
        <Segmented
          label={m.activity.title}
          value={tab}
          onChange={(wanted) => void navigate({ search: wanted === "requests" ? {} : { tab: wanted } })}
          options={[
            { value: "requests", label: m.activity.requests },
            { value: "events", label: m.activity.events },
          ]}
        />
      }
    >
      {tab === "requests" ? requests : events}
    </Page>
  );
}
