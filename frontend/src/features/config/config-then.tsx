import { useQuery } from "@tanstack/react-query";
import { lazy, Suspense } from "react";
import { momentQuery } from "@/api/past";
import { useFormat } from "@/app/look";
import { AsOf } from "@/components/as-of";
import { Page } from "@/components/page";
import { Loaded, SkeletonRows } from "@/components/states";
import { useMessages } from "@/i18n";
import { configTexts } from "@/i18n/config";
import { pastTexts } from "@/i18n/past";
import { fileQuery, versionQuery } from "./queries";

const SideBySide = lazy(() => import("./editor").then((part) => ({ default: part.SideBySide })));

/** The settings document of an earlier time beside the present one. */
export function ConfigThen({ at, onNow }: { at: string; onNow: () => void }) {
  const m = useMessages(configTexts, pastTexts);
  const format = useFormat();
  const moment = useQuery(momentQuery(at));
  const position = moment.error ? undefined : moment.data?.position;
  const then = useQuery({ ...versionQuery(position ?? 0), enabled: position !== undefined });
  const file = useQuery(fileQuery);
  const both = {
    data:
      then.data && file.data && position !== undefined
        ? { former: then.data, present: file.data }
        : undefined,
    error: then.error ?? file.error,
    isPending: then.isPending || file.isPending,
    refetch: () => Promise.all([then.refetch(), file.refetch()]),
  };
  return (
    <Page title={m.config.title} subtitle={m.past.readOnly} className="lg:h-0 lg:min-h-[28rem]">
      <AsOf at={at} onNow={onNow} className="-mx-4.5 mb-3" />
      {moment.error ? null : (
        <Loaded query={both} skeleton={<SkeletonRows rows={18} />}>
          {(found) => (
            <div className="flex h-[60vh] min-h-0 flex-1 flex-col overflow-hidden rounded-lg border border-line bg-surface lg:h-auto">
              <Suspense fallback={<SkeletonRows rows={18} />}>
                <SideBySide
                  before={found.former.text}
                  after={found.present.text}
                  labels={[
                    found.former.version === 0
                      ? m.config.beforeFirst
                      : m.config.version(format.number(found.former.version)),
                    m.past.atNow,
                  ]}
                  className="flex-1"
                />
              </Suspense>
            </div>
          )}
        </Loaded>
      )}
    </Page>
  );
}
