import { useMutation } from "@tanstack/react-query";
import { useId, useState } from "react";
import { client } from "@/api/client";
import { data } from "@/api/data";
import { explain } from "@/api/problem";
import type { Refusals, RehearseRequest } from "@/api/schema.gen";
import { useFormat } from "@/app/look";
import { useMessages } from "@/i18n";
import { rehearsalTexts } from "@/i18n/rehearsal";
import { rich } from "@/i18n/rich";
import { useReason } from "./access-list";
import { Time } from "./time";
import { Button } from "./ui/button";
import { Notice } from "./ui/notice";
import { Segmented } from "./ui/segmented";

const SHOWN = 20; // rows
const SPANS = ["1", "7", "30"] as const;

interface RehearsalProps {
  /** One of settings, audience and group. */
  change: Omit<RehearseRequest, "days">;
  disabled?: boolean;
}

/** A change tried on the calls of the last days, when somebody asks: that may take a while. */
export function Rehearsal({ change, disabled }: RehearsalProps) {
  const m = useMessages(rehearsalTexts);
  const format = useFormat();
  const title = useId();
  const [days, setDays] = useState<(typeof SPANS)[number]>("7");
  const asked = JSON.stringify([change, days]);
  const rehearse = useMutation({
    gcTime: 0, // what was typed is not kept behind the page
    mutationFn: async (question: string) => {
      const answer = client.POST("/api/admin/rehearse", { body: { ...change, days: Number(days) } });
      return { question, refusals: (await data(answer)).refusals };
    },
  });
  // An answer to what was typed before says nothing of what is typed now.
  const found = rehearse.data?.question === asked ? rehearse.data.refusals : undefined;
  return (
    <section aria-labelledby={title} className="flex flex-col gap-2">
      <h3 id={title} className="font-medium text-2xs text-ink-3">
        {m.rehearsal.title}
      </h3>
      <p className="text-ink-2 text-sm">{m.rehearsal.text}</p>
      <div className="flex flex-wrap items-center gap-2">
        <Segmented
          label={m.rehearsal.days}
          value={days}
          onChange={setDays}
          options={SPANS.map((value) => ({ value, label: m.rehearsal.span(format.number(Number(value))) }))}
        />
        <Button disabled={disabled} busy={rehearse.isPending} onClick={() => rehearse.mutate(asked)}>
          {found ? m.rehearsal.again : m.rehearsal.run}
        </Button>
      </div>
      <div aria-live="polite">{found ? <Result refusals={found} /> : null}</div>
      {rehearse.error && !rehearse.isPending ? (
        <Notice tone="bad" announce>
          {explain(rehearse.error, m)}
        </Notice>
      ) : null}
    </section>
  );
}

function Result({ refusals }: { refusals: Refusals }) {
  const m = useMessages(rehearsalTexts);
  const format = useFormat();
  const said = useReason();
  const why = (reason: string) =>
    reason in m.rehearsal.reasons
      ? m.rehearsal.reasons[reason as keyof typeof m.rehearsal.reasons]
      : said(reason);
  const { calls, refused, users, already, first } = refusals;
  return (
    <div className="flex flex-col gap-2">
      <Notice tone={refused > 0 ? "warn" : "ok"}>
        {calls === 0
          ? m.rehearsal.noCalls
          : refused === 0
            ? m.rehearsal.none(format.number(calls))
            : rich(m.rehearsal.some(format.number(refused), format.number(calls), format.number(users)))}
        {already > 0 ? (
          <span className="block text-sm">{m.rehearsal.already(format.number(already))}</span>
        ) : null}
      </Notice>
      {first.length > 0 ? (
        <>
          <table className="w-full text-left text-sm">
            <thead className="text-2xs text-ink-3">
              <tr>
                <th scope="col" className="py-1 pr-2 font-medium">
                  {m.rehearsal.columns.what}
                </th>
                <th scope="col" className="py-1 font-medium">
                  {m.rehearsal.columns.why}
                </th>
              </tr>
            </thead>
            <tbody>
              {first.slice(0, SHOWN).map((one) => (
                <tr
                  key={`${one.userId} ${one.server} ${one.tool} ${one.method} ${one.reason} ${one.last}`}
                  className="border-line border-t align-top"
                >
                  <th scope="row" className="py-1 pr-2 font-normal">
                    <span data-name>{one.userName}</span>
                    <span className="block break-all font-mono text-ink-2 text-xs">
                      {one.server} · {one.tool}
                    </span>
                  </th>
                  <td className="py-1 text-ink-2">
                    {why(one.reason)}
                    <span className="block text-ink-3 text-xs">
                      {m.rehearsal.times(format.number(one.calls))} · <Time at={one.last} />
                    </span>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {first.length > SHOWN ? (
            <p className="text-ink-3 text-sm">{m.rehearsal.more(format.number(first.length - SHOWN))}</p>
          ) : null}
        </>
      ) : null}
    </div>
  );
}
