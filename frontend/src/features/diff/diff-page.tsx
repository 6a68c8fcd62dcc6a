import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ArrowLeftRight, GitCompareArrows } from "lucide-react";
import { type FormEvent, useState } from "react";
import { diffQuery, type Section } from "@/api/past";
import type { MomentView, PastDiff } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { Page } from "@/components/page";
import { EmptyState, Loaded, SkeletonRows } from "@/components/states";
import { Time } from "@/components/time";
import { Button } from "@/components/ui/button";
import { Field } from "@/components/ui/field";
import { Input } from "@/components/ui/input";
import { Segmented } from "@/components/ui/segmented";
import { useMessages } from "@/i18n";
import { pastTexts } from "@/i18n/past";
import { ChangeCard } from "./change-card";
import { SECTIONS } from "./search";

const route = getRouteApi("/_app/admin/diff");

/** What differs between two times, thing by thing. */
export function DiffPage() {
  const m = useMessages(pastTexts);
  const { from = "", to = "", section = "" } = route.useSearch();
  const navigate = route.useNavigate();
  const change = (wanted: { from?: string; to?: string; section?: Section | "" }) =>
    void navigate({
      search: (before) =>
        Object.fromEntries(Object.entries({ ...before, ...wanted }).filter(([, value]) => value)),
    });
  return (
    <Page
      title={m.past.diffTitle}
      subtitle={m.past.diffSubtitle}
      tools={<Times key={`${from} ${to}`} from={from} to={to} onChange={change} />}
    >
      {from === "" ? (
        <EmptyState icon={<GitCompareArrows aria-hidden />} title={m.past.pick}>
          {m.past.pickText}
        </EmptyState>
      ) : (
        <Difference
          from={from}
          to={to}
          section={section}
          onSection={(wanted) => change({ section: wanted })}
        />
      )}
    </Page>
  );
}

interface TimesProps {
  from: string;
  to: string;
  onChange: (wanted: { from: string; to: string }) => void;
}

function Times({ from, to, onChange }: TimesProps) {
  const m = useMessages(pastTexts);
  const [first, setFirst] = useState(from);
  const [last, setLast] = useState(to);
  const compare = (event: FormEvent) => {
    event.preventDefault();
    if (first.trim()) onChange({ from: first.trim(), to: last.trim() });
  };
  return (
    <form onSubmit={compare} className="flex w-full flex-wrap items-end gap-2">
      <Field label={m.past.from} className="w-64 max-sm:w-full">
        {(parts) => (
          <Input
            {...parts}
            data-page-search
            className="font-mono"
            placeholder="310"
            title={m.past.timeHint}
            value={first}
            onChange={(event) => setFirst(event.target.value)}
          />
        )}
      </Field>
      <Field label={m.past.to} className="w-64 max-sm:w-full">
        {(parts) => (
          <Input
            {...parts}
            className="font-mono"
            placeholder={m.past.toNow}
            title={m.past.timeHint}
            value={last}
            onChange={(event) => setLast(event.target.value)}
          />
        )}
      </Field>
      <Button type="submit" tone="primary" size="md" disabled={!first.trim()}>
        {m.past.compare}
      </Button>
      <Button size="md" disabled={!from || !to} onClick={() => onChange({ from: to, to: from })}>
        <ArrowLeftRight aria-hidden />
        {m.past.swap}
      </Button>
    </form>
  );
}

interface DifferenceProps {
  from: string;
  to: string;
  section: Section | "";
  onSection: (section: Section | "") => void;
}

function Difference({ from, to, section, onSection }: DifferenceProps) {
  const m = useMessages(pastTexts);
  const format = useFormat();
  const query = useInfiniteQuery(diffQuery(from, to, section));
  const first = query.data?.pages[0]?.data;
  const changes = query.data?.pages.flatMap(({ data }) => data.changes) ?? [];
  // An answer of before stays while another is fetched; one that was refused does not stand under new times.
  const shown = { ...query, data: query.error ? undefined : first };
  return (
    <Loaded query={shown} skeleton={<SkeletonRows rows={10} />}>
      {(diff: PastDiff) => (
        <div className="flex flex-col gap-3">
          <p role="status" className="text-ink-2">
            <Place moment={diff.from} /> → <Place moment={diff.to} />
          </p>
          <div className="scroll-thin max-w-full overflow-x-auto">
            <Segmented
              label={m.past.section}
              value={section}
              onChange={onSection}
              options={SECTIONS.map((value) => ({
                value,
                label: named(
                  value ? m.past.sections[value] : m.past.all,
                  value ? diff.counts[value] : total(diff),
                ),
              }))}
            />
          </div>
          {changes.length === 0 ? (
            <EmptyState title={m.past.same} />
          ) : (
            <ul aria-label={m.past.changes} className="flex flex-col gap-2">
              {changes.map((change) => (
                <ChangeCard key={`${change.section} ${change.id}`} change={change} />
              ))}
            </ul>
          )}
          {query.hasNextPage ? (
            <div>
              <Button busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                {m.common.loadMore}
              </Button>
            </div>
          ) : null}
        </div>
      )}
    </Loaded>
  );

  function named(label: string, count: number | undefined) {
    return count === undefined ? label : `${label} ${format.number(count)}`;
  }
}

function total({ counts }: PastDiff): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

function Place({ moment }: { moment: MomentView }) {
  const format = useFormat();
  return (
    <>
      <b className="font-mono">#{format.number(moment.position)}</b>
      {moment.recordedAt ? (
        <>
          {" "}
          <Time at={moment.recordedAt} as="full" />
        </>
      ) : null}
    </>
  );
}
