import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ChevronLeft, History, RotateCcw } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { SettingsVersion } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Page } from "@/components/page";
import { EmptyState, Loaded, ProblemPanel, SkeletonRows } from "@/components/states";
import { Button, buttonLook } from "@/components/ui/button";
import { Select } from "@/components/ui/select";
import { useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import { fileQuery, versionQuery, versionsQuery } from "./queries";
import { RestoreDialog } from "./restore-dialog";
import { VersionList } from "./version-list";

const SideBySide = lazy(() => import("./editor").then((part) => ({ default: part.SideBySide })));
const route = getRouteApi("/_app/admin/config/history");

/** Every change of the document: any two compared, any of them brought back. */
export function HistoryPage() {
  const m = useMessages(configTexts);
  const versions = useInfiniteQuery(versionsQuery);
  const rows = versions.data?.pages.flatMap((page) => page.data);
  return (
    <Page
      title={m.config.historyTitle}
      subtitle={m.config.historySubtitle}
      className="lg:h-0 lg:min-h-[28rem]"
      end={
        <Link to="/admin/config" className={buttonLook({ size: "md" })}>
          <ChevronLeft className="size-4" aria-hidden />
          {m.config.toEditor}
        </Link>
      }
    >
      <Loaded query={{ ...versions, data: rows }} skeleton={<SkeletonRows rows={14} />}>
        {(all) =>
          all.length === 0 ? (
            <EmptyState icon={<History aria-hidden />} title={m.config.noHistory} />
          ) : (
            <Versions
              rows={all}
              more={
                versions.hasNextPage ? (
                  <Button busy={versions.isFetchingNextPage} onClick={() => void versions.fetchNextPage()}>
                    {m.common.loadMore}
                  </Button>
                ) : null
              }
            />
          )
        }
      </Loaded>
    </Page>
  );
}

function Versions({ rows, more }: { rows: SettingsVersion[]; more: React.ReactNode }) {
  const { v = 0, against = 0 } = route.useSearch();
  const navigate = route.useNavigate();
  const chosen = v || (rows[0]?.version ?? 0);
  const at = rows.findIndex(({ version }) => version === chosen);
  const before = against || (rows[at + 1]?.version ?? 0);
  return (
    <div className="grid min-h-0 flex-1 gap-3 lg:grid-cols-[380px_minmax(0,1fr)]">
      <VersionList
        rows={rows}
        chosen={chosen}
        onChoose={(version) => void navigate({ search: { v: version }, replace: true, resetScroll: false })}
        more={more}
      />
      <Compared
        rows={rows}
        version={chosen}
        before={before}
        onBefore={(version) => void navigate({ search: { v: chosen, against: version }, resetScroll: false })}
      />
    </div>
  );
}

interface ComparedProps {
  rows: SettingsVersion[];
  version: number;
  before: number;
  onBefore: (version: number) => void;
}

function Compared({ rows, version, before, onBefore }: ComparedProps) {
  const m = useMessages(configTexts);
  const format = useFormat();
  const [asking, setAsking] = useState(false);
  const file = useQuery(fileQuery).data;
  const now = useQuery(versionQuery(version));
  const then = useQuery(versionQuery(before));
  const label = (position: number) =>
    position === 0 ? m.config.beforeFirst : m.config.version(format.number(position));
  const others = [...new Set([...rows.map((row) => row.version), before, 0])].filter(
    (each) => each !== version,
  );
  const current = file?.version === version;
  const failed = now.error ?? then.error;
  return (
    <section aria-label={m.config.compared} className="flex min-h-0 flex-col gap-2">
      <div className="flex flex-wrap items-center gap-2">
        <Select
          label={m.config.compareWith}
          value={String(before)}
          onChange={(wanted) => onBefore(Number(wanted))}
          options={others.sort((a, b) => b - a).map((each) => ({ value: String(each), label: label(each) }))}
          className="w-44"
        />
        <span aria-hidden className="text-ink-3">
          →
        </span>
        <span className="font-semibold">{label(version)}</span>
        <Button
          className="ml-auto"
          disabled={current || !file}
          title={current ? m.config.isCurrent : undefined}
          onClick={() => setAsking(true)}
        >
          <RotateCcw aria-hidden />
          {current ? m.config.isCurrent : m.config.restore}
        </Button>
      </div>
      <div className="flex h-[60vh] min-h-0 flex-1 flex-col overflow-hidden rounded-lg border border-line bg-surface lg:h-auto">
        {failed ? (
          <ProblemPanel
            error={failed}
            className="m-3"
            onRetry={() => void Promise.all([now.refetch(), then.refetch()])}
          />
        ) : now.data && then.data ? (
          <Suspense fallback={<SkeletonRows rows={14} />}>
            <SideBySide
              before={then.data.text}
              after={now.data.text}
              labels={[label(before), label(version)]}
              className="flex-1"
            />
          </Suspense>
        ) : (
          <SkeletonRows rows={14} />
        )}
      </div>
      {asking && file ? (
        <RestoreDialog version={version} present={file.version} onClose={() => setAsking(false)} />
      ) : null}
    </section>
  );
}
