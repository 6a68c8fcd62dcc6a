import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { KeyRound } from "lucide-react";
import { useEffect, useMemo, useState } from "react";
import { useFormat } from "@/app/look";
import { Page } from "@/components/page";
import { RevokeKey } from "@/components/revoke-key";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Button } from "@/components/ui/button";
import { SearchInput } from "@/components/ui/input";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { adminKeysTexts } from "@/i18n/admin-keys";
import { KeysTable } from "./keys-table";
import { type KeyRow, narrowed, rowsOf } from "./model";
import { userKeysQuery } from "./queries";
import { VIEWS, type View } from "./search";

const route = getRouteApi("/_app/admin/keys");

/** Everybody's keys, without the keys. */
export function KeysPage() {
  const m = useMessages(adminKeysTexts);
  const format = useFormat();
  const { q = "", view = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const query = useInfiniteQuery(userKeysQuery(q, view === "all"));
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  const rows = useMemo(
    () => query.data && narrowed(rowsOf(query.data.pages.flatMap(({ data }) => data)), view, new Date()),
    [query.data, view],
  );
  const [asked, setAsked] = useState<KeyRow | null>(null);
  // The hub pages by owner and these views and orders are of keys: they are true of all or of none.
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [hasNextPage, isFetchingNextPage, fetchNextPage]);
  const change = (wanted: { q?: string; view?: View }, replace = false) =>
    void navigate({
      search: (now) => Object.fromEntries(Object.entries({ ...now, ...wanted }).filter(([, value]) => value)),
      replace,
    });
  return (
    <Page
      title={m.adminKeys.title}
      subtitle={m.adminKeys.subtitle}
      tools={
        <>
          <div className="scroll-thin max-w-full overflow-x-auto">
            <Segmented
              label={m.adminKeys.viewLabel}
              value={view}
              onChange={(wanted) => change({ view: wanted })}
              options={VIEWS.map((value) => ({ value, label: m.adminKeys.views[value || "working"] }))}
            />
          </div>
          <SearchInput
            value={q}
            onChange={(typed) => change({ q: typed }, true)}
            placeholder={m.adminKeys.find}
            className="w-full max-w-72"
          />
          {rows ? (
            <span role="status" className="text-ink-3 text-sm">
              {m.adminKeys.count(format.number(rows.length))}
            </span>
          ) : null}
        </>
      }
    >
      <Loaded query={{ ...query, data: rows }} skeleton={<SkeletonRows rows={12} />}>
        {(shown) => (
          <KeysTable
            rows={shown}
            onRevoke={setAsked}
            empty={
              <EmptyState
                icon={<KeyRound aria-hidden />}
                title={q || view ? m.adminKeys.noMatch : m.adminKeys.empty}
                action={
                  q || view ? (
                    <Button onClick={() => change({ q: "", view: "" })}>{m.adminKeys.showAll}</Button>
                  ) : null
                }
              />
            }
          />
        )}
      </Loaded>
      <RevokeKey
        asked={asked?.key ?? null}
        owner={asked?.owner.username ?? ""}
        onDone={() => setAsked(null)}
      />
    </Page>
  );
}
