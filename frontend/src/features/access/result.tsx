import type { ReactNode } from "react";
import type { Access } from "@/api/access";
import { useFormat } from "@/app/look";
import { AccessList } from "@/components/access-list";
import { EmptyState } from "@/components/states";
import { Badge } from "@/components/ui/badge";
import { Card, CardHead } from "@/components/ui/card";
import { Notice } from "@/components/ui/notice";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { accessTexts } from "@/i18n/access";
import { rich } from "@/i18n/rich";
import { narrowed } from "./model";
import { FILTERS, type Filter } from "./search";

interface ResultProps {
  access: Access;
  /** Why a visible server has no tools, where it is not that nobody asked it. */
  none: string | undefined;
  filter: Filter;
  onFilter: (filter: Filter) => void;
  end: ReactNode;
  /** What stands for a name of the list; the name itself without one. */
  listed?: ((name: string) => ReactNode) | undefined;
  /** Leads to what made a decision what it is. */
  why: (server: string, tool?: string) => ReactNode;
}

/** What `tools/list` would answer, and for every server and tool whether it is there. */
export function Result({ access, none, filter, onFilter, end, listed, why }: ResultProps) {
  const m = useMessages(accessTexts);
  const format = useFormat();
  if (!access.found) return <Notice tone="warn">{m.access.notFound}</Notice>;
  const shown = narrowed(access.servers, "shown").length;
  const servers = narrowed(access.servers, filter);
  return (
    <div className="grid grid-cols-[minmax(0,1fr)] items-start gap-4 lg:grid-cols-[minmax(0,1fr)_360px]">
      <Card>
        <CardHead
          title={m.access.servers}
          end={
            <>
              <span className="text-ink-3 text-sm">
                {m.access.counts(format.number(shown), format.number(access.servers.length - shown))}
              </span>
              {end}
              <Segmented
                label={m.access.only}
                value={filter}
                onChange={onFilter}
                options={FILTERS.map((value) => ({ value, label: m.access.filters[value || "all"] }))}
              />
            </>
          }
        />
        <div className="border-line border-t">
          {servers.length === 0 && access.servers.length > 0 ? (
            <EmptyState title={m.access.noneOfThese} className="py-8" />
          ) : (
            <AccessList servers={servers} tools none={none} end={why} />
          )}
        </div>
      </Card>
      <Card>
        <CardHead
          title={rich(m.access.listed(format.number(access.listed.length)))}
          end={<Badge tone="accent">{m.access.modeShown[access.mode]}</Badge>}
        />
        {access.listed.length === 0 ? (
          <p className="border-line border-t px-3.5 py-3 text-ink-3">{rich(m.access.listedNone)}</p>
        ) : (
          <ul
            className="scroll-thin max-h-[60vh] overflow-y-auto border-line border-t px-3.5 py-2 font-mono text-xs leading-relaxed"
            // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard
            tabIndex={0}
            aria-label={m.access.listed(format.number(access.listed.length)).replaceAll("`", "")}
          >
            {access.listed.map((name) => (
              <li key={name}>{listed ? listed(name) : name}</li>
            ))}
          </ul>
        )}
      </Card>
    </div>
  );
}
