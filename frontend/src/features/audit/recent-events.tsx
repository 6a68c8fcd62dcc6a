import { queryOptions, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { client } from "@/api/client";
import { data } from "@/api/data";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { Card, CardHead } from "@/components/ui/card";
import { useMessages } from "@/i18n";
import { overviewTexts } from "@/i18n/overview";
import { Actor } from "./actor";
import { CategoryIcon } from "./categories";
import { itemId, VIEWS } from "./model";
import { Sentence } from "./sentence";

const SHOWN = 8;
const EVERY = 10_000; // milliseconds

const recentQuery = queryOptions({
  queryKey: ["audit", "recent"],
  queryFn: () => data(client.GET("/api/audit", { params: { query: { ...VIEWS.privilege, limit: SHOWN } } })),
  refetchInterval: EVERY,
});

/** The newest events about rights and who may come in. */
export function RecentEvents() {
  const m = useMessages(overviewTexts);
  const recent = useQuery(recentQuery);
  return (
    <Card>
      <CardHead
        title={m.overview.privileged}
        end={
          <Link
            to="/admin/audit"
            search={{ view: "privilege", span: "all" }}
            className="text-accent text-sm hover:underline"
          >
            {m.overview.allPrivileged}
          </Link>
        }
      />
      <Loaded query={recent} skeleton={<SkeletonRows rows={SHOWN} />}>
        {(items) =>
          items.length === 0 ? (
            <EmptyState title={m.overview.noPrivileged} className="py-6" />
          ) : (
            <ol className="border-line border-t">
              {items.map((item) => (
                <li
                  key={itemId(item)}
                  className="grid min-h-row grid-cols-[auto_minmax(0,1fr)_auto] items-center gap-x-2.5 border-line border-b px-3.5 last:border-b-0 md:grid-cols-[auto_128px_minmax(0,1fr)_auto]"
                >
                  <CategoryIcon item={item} />
                  <Actor item={item} className="max-md:hidden" />
                  {item.kind === "fact" ? (
                    <Link
                      to="/admin/audit/$position"
                      params={{ position: String(item.position) }}
                      className="truncate hover:underline"
                    >
                      <Sentence item={item} />
                    </Link>
                  ) : (
                    <span className="truncate">
                      <Sentence item={item} />
                    </span>
                  )}
                  <Time at={item.at} className="text-ink-3 text-xs" />
                </li>
              ))}
            </ol>
          )
        }
      </Loaded>
    </Card>
  );
}
