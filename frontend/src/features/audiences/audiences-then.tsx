import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { stateQuery } from "@/api/past";
import type { PastServer } from "@/api/schema.gen";
import { usePages } from "@/api/use-pages";
import { ThenPage } from "@/components/as-of";
import type { Column } from "@/components/data-table/data-table";
import { ThenTable } from "@/components/then-table";
import { Badge } from "@/components/ui/badge";
import { useMessages } from "@/i18n";
import { audiencesTexts } from "@/i18n/audiences";
import { pastTexts } from "@/i18n/past";

/** Whom each server was for at an earlier time. */
export function AudiencesThen({ at, onNow }: { at: string; onNow: () => void }) {
  const m = useMessages(audiencesTexts, pastTexts);
  const pages = usePages(useInfiniteQuery(stateQuery(at, "servers")), ({ data }) => data.servers ?? []);
  const columns = useMemo<Column<PastServer>[]>(
    () => [
      {
        id: "server",
        header: m.audiences.columns.server,
        width: "minmax(150px,0.7fr)",
        sortBy: ({ name }) => name.toLowerCase(),
        cell: ({ name, isEnabled }) => (
          <span className="flex items-center gap-2">
            <span className="truncate font-mono font-semibold">{name}</span>
            {isEnabled ? null : <Badge>{m.audiences.off}</Badge>}
          </span>
        ),
      },
      {
        id: "for",
        header: m.past.for,
        width: "minmax(220px,2fr)",
        cell: ({ availableTo, audience }) =>
          availableTo === "everyone" ? (
            m.audiences.kinds.everyone
          ) : (
            <span className="truncate font-mono text-ink-2 text-xs" title={JSON.stringify(audience)}>
              {availableTo}
            </span>
          ),
      },
    ],
    [m],
  );
  return (
    <ThenPage title={m.audiences.title} at={at} onNow={onNow}>
      <ThenTable label={m.audiences.title} columns={columns} pages={pages} />
    </ThenPage>
  );
}
